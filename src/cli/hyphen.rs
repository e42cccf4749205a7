//! Ids and names that begin with `-`. The thumbprint of a key does so once in 64 times, and
//! whoever copies it knows of no `--`. Arguments that cannot be options are made values
//! before clap sees them: an option's is joined to it (`--id=-x`), others go behind `--`.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Characters of a thumbprint in base64url (RFC 7638 with SHA-256).
const THUMBPRINT: usize = 43;

/// `arguments`, the program's name first, with nothing in them that clap would take for
/// an option that does not exist.
pub(super) fn separated(grammar: &Command, arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.peekable();
    let mut reader = Reader { root: grammar, command: grammar };
    let mut whole: Vec<_> = arguments.next().into_iter().collect();
    let (mut options, mut positionals, mut moved) = (whole.clone(), Vec::new(), false);
    // Whether values of an option may still follow.
    let mut open = false;
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            whole.push(argument);
            positionals.extend(arguments.by_ref().inspect(|rest| whole.push(rest.clone())));
            break;
        }
        let mut words = vec![argument];
        match reader.word(&words[0]) {
            Word::Option(option) => {
                open = takes_several(option);
                // Its value, which is no positional.
                let has_next = takes_one(option) && is_bare(&words[0]);
                match arguments
                    .next_if(|next| has_next && matches!(reader.word(next), Word::Plain | Word::Hyphenated))
                {
                    Some(value) if matches!(reader.word(&value), Word::Hyphenated) => {
                        words[0].push("=");
                        words[0].push(value);
                    }
                    value => words.extend(value),
                }
            }
            Word::Flag => open = false,
            Word::Plain if reader.enter(&words[0]) || open => {}
            word => {
                moved |= matches!(word, Word::Hyphenated);
                positionals.extend(words.iter().cloned());
                whole.append(&mut words);
            }
        }
        options.extend(words.iter().cloned());
        whole.append(&mut words);
    }
    if !moved {
        return whole;
    }
    options.push("--".into());
    options.extend(positionals);
    options
}

/// What an argument is.
enum Word<'a> {
    /// An option with values.
    Option(&'a Arg),
    /// One without, or one that does not exist.
    Flag,
    /// It begins with `-`, and is a value.
    Hyphenated,
    /// It does not.
    Plain,
}

struct Reader<'a> {
    root: &'a Command,
    command: &'a Command,
}

impl<'a> Reader<'a> {
    /// Goes on with the subcommand `word`, if it is one.
    fn enter(&mut self, word: &OsString) -> bool {
        let found = word.to_str().and_then(|word| self.command.find_subcommand(word));
        found.inspect(|command| self.command = command).is_some()
    }

    fn known(&self) -> impl Iterator<Item = &'a Arg> {
        self.command.get_arguments().chain(self.root.get_arguments().filter(|arg| arg.is_global_set()))
    }

    fn word(&self, argument: &OsString) -> Word<'a> {
        let Some(text) =
            argument.to_str().and_then(|text| text.strip_prefix('-')).filter(|rest| !rest.is_empty())
        else {
            return Word::Plain;
        };
        let known = |found: Option<&'a Arg>| match found {
            Some(arg) if arg.get_action().takes_values() => Word::Option(arg),
            _ => Word::Flag,
        };
        if let Some(long) = text.strip_prefix('-') {
            let name = long.split('=').next().unwrap_or(long);
            let found = self.known().find(|arg| arg.get_long() == Some(name));
            return if found.is_none() && is_thumbprint(argument) { Word::Hyphenated } else { known(found) };
        }
        if is_thumbprint(argument) {
            return Word::Hyphenated;
        }
        for letter in text.chars() {
            match self.known().find(|arg| arg.get_short() == Some(letter)) {
                // What follows is its value.
                Some(arg) if arg.get_action().takes_values() => return Word::Option(arg),
                None if !"hV".contains(letter) => return Word::Hyphenated,
                _ => {}
            }
        }
        Word::Flag
    }
}

/// Whether the option takes exactly one value each time.
fn takes_one(option: &Arg) -> bool {
    option.get_action().takes_values() && option.get_num_args().is_none_or(|values| values == 1.into())
}

fn takes_several(option: &Arg) -> bool {
    option.get_action().takes_values() && !takes_one(option)
}

/// Whether no value is part of the option itself.
fn is_bare(option: &OsString) -> bool {
    option.to_str().is_some_and(|text| match text.strip_prefix("--") {
        Some(long) => !long.contains('='),
        None => text.chars().count() == 2,
    })
}

fn is_thumbprint(argument: &OsString) -> bool {
    argument.to_str().is_some_and(|text| {
        text.len() == THUMBPRINT && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::grammar;

    const THUMBPRINTS: [&str; 3] = [
        "-n-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
        "--n-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hns",
        // Its first letters are options.
        "-oqI_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
    ];

    fn read(line: &[&str]) -> Vec<String> {
        let arguments = line.iter().map(OsString::from);
        separated(&grammar(), arguments).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    /// Every command without subcommands, with the words that lead to it.
    fn commands() -> Vec<(Vec<String>, Command)> {
        fn walk(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
            let path = [path, &[command.get_name().to_owned()]].concat();
            if command.get_subcommands().next().is_none() {
                found.push((path.clone(), command.clone()));
            }
            command.get_subcommands().for_each(|below| walk(below, &path, found));
        }
        let mut found = Vec::new();
        walk(&grammar(), &[], &mut found);
        found
    }

    #[test]
    fn every_command_takes_ids_that_begin_with_a_hyphen() {
        let (mut positionals, mut options) = (0, 0);
        for (path, command) in commands() {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            for id in THUMBPRINTS.into_iter().chain(["-x", "-file.pem"]) {
                let takes = |line: &[&str]| {
                    let arguments = separated(&grammar(), line.iter().map(OsString::from));
                    if let Err(error) = grammar().try_get_matches_from(&arguments) {
                        let wrong = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand];
                        assert!(!wrong.contains(&error.kind()), "{line:?}: {arguments:?}: {error}");
                    }
                    arguments
                };
                if command.get_positionals().next().is_some() {
                    positionals += 1;
                    // Options may stand before it and after it.
                    for line in
                        [vec![id, "--quiet"], vec!["--quiet", id], vec![id, "--home", "h", "--no-input"]]
                    {
                        let arguments = takes(&[path.clone(), line].concat());
                        assert!(arguments.ends_with(&["--".into(), id.into()]), "{arguments:?}");
                    }
                }
                for option in command.get_arguments().filter(|arg| !arg.is_positional() && takes_one(arg)) {
                    options += 1;
                    let long = format!("--{}", option.get_long().unwrap());
                    let arguments = takes(&[&path[..], &[&long, id, "--quiet"]].concat());
                    assert!(
                        arguments.ends_with(&[format!("{long}={id}").into(), "--quiet".into()]),
                        "{arguments:?}"
                    );
                }
            }
        }
        assert!(positionals > 60 && options > 200, "{positionals} {options}");
    }

    #[test]
    fn what_is_an_option_stays_one_and_all_else_stays_where_it_is() {
        for line in [
            &["s", "key", "revoke", "a", "--compromised", "-q"][..],
            &["s", "--home", "key", "key", "revoke", "--compromised", "a"],
            &["s", "key", "revoke", "--", "-a", "--compromised"],
            &["s", "key", "public", "a", "-o", "-"],
            &["s", "key", "public", "a", "-ofile"],
            &["s", "cert", "issue", "--server", "a", "b", "--force"],
            &["s", "cert", "verify", "-", "--ca", "x"],
            &["s", "key", "revoke", "--help"],
            // A mistyped option is not taken for a value.
            &["s", "key", "revoke", "--compromized", "a"],
            &["s", "key", "public", "a", "--output", "--forse"],
        ] {
            assert_eq!(read(line), line);
        }
        let [id, ..] = THUMBPRINTS;
        assert_eq!(
            read(&["s", "-q", "apikey", "revoke", "a", id, "--dry-run", "b"]),
            ["s", "-q", "apikey", "revoke", "--dry-run", "--", "a", id, "b"]
        );
        assert_eq!(
            read(&["s", "key", "public", "-o", "-x", id, "--force"]),
            ["s", "key", "public", "-o=-x", "--force", "--", id]
        );
        assert_eq!(
            read(&["s", "key", "create", "--id", "-x", "--use", "token"]),
            ["s", "key", "create", "--id=-x", "--use", "token"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_argument_is_lost(words in proptest::collection::vec("[-a-z=]{0,6}", 0..8)) {
            let line: Vec<_> = ["s", "key", "revoke"].into_iter().chain(words.iter().map(String::as_str)).collect();
            let letters = |words: &[String]| {
                let mut letters: Vec<_> = words.concat().chars().filter(|c| !"-=".contains(*c)).collect();
                letters.sort_unstable();
                letters
            };
            let owned: Vec<_> = line.iter().map(ToString::to_string).collect();
            assert_eq!(letters(&read(&line)), letters(&owned));
        }
    }
}
