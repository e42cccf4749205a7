//! Programs of the user's own, each asked for one answer: a wrapped or an unwrapped
//! key. No shell is between; what is asked goes to standard input and the answer comes
//! from standard output, both bounded, and the whole process group ends with it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::error::{Diagnose, Kind};
use crate::secret::SecretBytes;

/// What a program may say on standard error before the rest is dropped.
const MOST_SAID: usize = 4096;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum CommandError {
    #[error("cannot run '{program}'")]
    Start { program: String, source: io::Error },
    #[error("cannot talk to '{program}'")]
    Talk { program: String, source: io::Error },
    #[error("'{program}' ended with {status}")]
    Failed { program: String, status: ExitStatus, silent: bool },
    #[error("'{program}' took longer than {} s, and was killed", limit.as_secs_f64())]
    TimedOut { program: String, limit: Duration },
    #[error("'{program}' answered with more than {limit} bytes, and was killed")]
    Flooded { program: String, limit: usize },
}

impl Diagnose for CommandError {
    fn kind(&self) -> Kind {
        match self {
            // It could not be had: denied, locked, offline.
            Self::Failed { .. } => Kind::Credential,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Start { program, .. } if program.contains(' ') => {
                    let words: Vec<_> = program.split_whitespace().collect();
                    let array = serde_json::to_string(&words).unwrap_or_default();
                    return Some(format!("no shell reads it: to pass arguments, name it as '{array}'"));
                }
                Self::Start { .. } => "check the path, and that it may be executed; no shell reads it",
                Self::Talk { .. } => return None,
                Self::Failed { silent: false, .. } => "what it said on standard error stands above",
                Self::Failed { .. } => {
                    "it said nothing on standard error; run it by hand, with the same variables SEALSERVE_…"
                }
                Self::TimedOut { .. } => {
                    "it has no terminal and no more input; allow it more time, or run it by hand"
                }
                Self::Flooded { .. } => "it must print the key, and nothing else, on standard output",
            }
            .to_owned(),
        )
    }
}

/// A text that is no program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a command is a program's path, or a JSON array of a program and its arguments")]
pub struct ParseProgramError;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: String,
    arguments: Vec<String>,
}

impl Program {
    /// The first of `words` is the program, the others are its arguments.
    pub fn new(words: &[String]) -> Result<Self, ParseProgramError> {
        let (path, arguments) = words.split_first().ok_or(ParseProgramError)?;
        if path.is_empty() || words.iter().any(|word| word.contains('\0')) {
            return Err(ParseProgramError);
        }
        Ok(Self { path: path.clone(), arguments: arguments.to_vec() })
    }

    /// Runs it with `variables` added to the environment and `input` on standard
    /// input. Its answer has at most `question.limit` bytes. Each line that it says
    /// meanwhile goes to `hear`.
    pub fn ask(&self, question: &Question<'_>, hear: fn(&str)) -> Result<SecretBytes, CommandError> {
        let deadline = Instant::now() + question.time;
        let mut child = std::process::Command::new(&self.path)
            .args(&self.arguments)
            .envs(question.variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it starts can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|source| CommandError::Start { program: self.path.clone(), source })?;
        let group = Pid::from_child(&child);
        let (events, heard) = mpsc::channel();
        let talking = self.talk(&mut child, question, group, &events);
        drop(events);
        let talked = talking.and_then(|()| self.follow(group, &heard, question, deadline, hear));
        // It has not been reaped yet, so the number still means this group.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let status = child.wait().map_err(|source| self.talk_error(source))?;
        let (answer, silent) = talked?;
        if !status.success() {
            return Err(CommandError::Failed { program: self.path.clone(), status, silent });
        }
        Ok(answer)
    }

    /// Starts a thread for each end. They end with the pipes, and the pipes with the group.
    fn talk(
        &self,
        child: &mut std::process::Child,
        question: &Question<'_>,
        group: Pid,
        events: &Sender<Event>,
    ) -> Result<(), CommandError> {
        let spawn = |work: Box<dyn FnOnce() + Send>| {
            let started = thread::Builder::new().name("command".into()).spawn(work);
            started.map(drop).map_err(|source| self.talk_error(source))
        };
        if let Some(mut stdin) = child.stdin.take() {
            let input = SecretBytes::from(question.input.to_vec());
            // Who does not read all of it need not.
            spawn(Box::new(move || drop(stdin.write_all(input.expose()))))?;
        }
        if let Some(stdout) = child.stdout.take() {
            let (limit, events) = (question.limit, events.clone());
            spawn(Box::new(move || drop(events.send(Event::Answer(read_answer(stdout, limit))))))?;
        }
        if let Some(stderr) = child.stderr.take() {
            let events = events.clone();
            spawn(Box::new(move || read_lines(stderr, &events)))?;
        }
        let events = events.clone();
        spawn(Box::new(move || {
            let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let interrupted = |end| matches!(end, Err(rustix::io::Errno::INTR));
            while interrupted(rustix::process::waitid(WaitId::Pid(group), how).map(drop)) {}
            drop(events.send(Event::Exited));
        }))
    }

    /// Listens until it has ended, has answered and is silent. Returns its answer, and
    /// whether it said nothing else.
    fn follow(
        &self,
        group: Pid,
        heard: &Receiver<Event>,
        question: &Question<'_>,
        deadline: Instant,
        hear: fn(&str),
    ) -> Result<(SecretBytes, bool), CommandError> {
        let (mut answer, mut exited, mut silent, mut said) = (None, false, false, false);
        loop {
            if exited
                && silent
                && let Some(answer) = answer
            {
                return Ok((answer, !said));
            }
            match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Answer(Ok(bytes))) if bytes.len() > question.limit => {
                    return Err(CommandError::Flooded { program: self.path.clone(), limit: question.limit });
                }
                Ok(Event::Answer(Ok(bytes))) => answer = Some(bytes),
                Ok(Event::Answer(Err(source))) => return Err(self.talk_error(source)),
                Ok(Event::Said(line)) => {
                    said |= !line.trim().is_empty();
                    hear(&format!("{self}: {line}"));
                }
                Ok(Event::Silent) => silent = true,
                Ok(Event::Exited) => {
                    exited = true;
                    // What it leaves behind must not keep the pipes open.
                    let _ = rustix::process::kill_process_group(group, Signal::KILL);
                }
                Err(_) => {
                    return Err(CommandError::TimedOut { program: self.path.clone(), limit: question.time });
                }
            }
        }
    }

    fn talk_error(&self, source: io::Error) -> CommandError {
        CommandError::Talk { program: self.path.clone(), source }
    }
}

/// Its path; arguments are the user's own business.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl FromStr for Program {
    type Err = ParseProgramError;

    fn from_str(text: &str) -> Result<Self, ParseProgramError> {
        if text.starts_with('[') {
            Self::new(&serde_json::from_str::<Vec<String>>(text).map_err(|_| ParseProgramError)?)
        } else {
            Self::new(&[text.to_owned()])
        }
    }
}

/// What a program is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Added to its environment.
    pub variables: &'a [(&'a str, &'a str)],
    /// Its standard input.
    pub input: &'a [u8],
    /// Bytes that the answer may have.
    pub limit: usize,
    /// How long it may take.
    pub time: Duration,
}

enum Event {
    Answer(io::Result<SecretBytes>),
    Said(String),
    Silent,
    Exited,
}

/// One byte more than the limit tells that there was more.
fn read_answer(stdout: impl Read, limit: usize) -> io::Result<SecretBytes> {
    let mut answer = SecretBytes::with_capacity(limit + 1);
    let read = stdout.take(limit as u64 + 1).read_to_end(answer.expose_mut());
    read.map(|_| answer)
}

/// Passes on what is said, without what could steer a terminal; what is too much is
/// read and dropped, so that the program does not stand still.
fn read_lines(stderr: impl Read, events: &Sender<Event>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut left = MOST_SAID as u64;
    while left > 0 {
        line.clear();
        match (&mut stderr).take(left).read_until(b'\n', &mut line) {
            Ok(read) if read > 0 => left -= read as u64,
            _ => break,
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end().replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
        let _ = events.send(Event::Said(text));
    }
    let _ = io::copy(&mut stderr, &mut io::sink());
    let _ = events.send(Event::Silent);
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Enough for anything that ends by itself.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(line: &str) -> Program {
        Program::new(&["sh".into(), "-c".into(), line.into()]).unwrap()
    }

    fn ask(line: &str, input: &[u8], limit: usize, time: Duration) -> Result<SecretBytes, CommandError> {
        let question = Question { variables: &[("ASKED", "for this")], input, limit, time };
        shell(line).ask(&question, |line| SAID.with_borrow_mut(|said| said.push(line.to_owned())))
    }

    thread_local! {
        static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn the_answer_is_what_stands_on_standard_output() {
        let answer = ask("printf '%s: ' \"$ASKED\"; cat; echo aside >&2", b"hello", 100, PATIENCE).unwrap();
        assert_eq!(answer.expose(), b"for this: hello");
        assert_eq!(SAID.take(), ["sh: aside"]);
    }

    #[test]
    fn nothing_is_read_by_a_shell_and_arguments_stay_apart() {
        let program: Program = r#"["printf", "%s|", "a b", "$HOME", "*"]"#.parse().unwrap();
        let question = Question { variables: &[], input: b"", limit: 100, time: PATIENCE };
        assert_eq!(program.ask(&question, |_| ()).unwrap().expose(), b"a b|$HOME|*|");
        let spaces: Program = "printf a".parse().unwrap();
        let error = spaces.ask(&question, |_| ()).unwrap_err();
        assert!(matches!(error, CommandError::Start { .. }));
        assert!(error.hint().unwrap().contains(r#"'["printf","a"]'"#), "{error:?}");
        for bad in ["", "[]", "[\"\"]", "[1]", "[\"a\"", "[\"a\\u0000\"]", "a\0b"] {
            assert_eq!(bad.parse::<Program>(), Err(ParseProgramError), "{bad:?}");
        }
    }

    #[test]
    fn a_failure_counts_whatever_was_answered() {
        let error = ask("echo answer; exit 7", b"", 100, PATIENCE).unwrap_err();
        assert!(matches!(error, CommandError::Failed { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Credential);
        assert!(error.to_string().contains('7'));
        assert!(error.hint().unwrap().contains("said nothing"), "{error:?}");
        let error = ask("echo denied >&2; exit 7", b"", 100, PATIENCE).unwrap_err();
        assert!(error.hint().unwrap().contains("stands above"), "{error:?}");
        let error = ask("kill -9 $$", b"", 100, PATIENCE).unwrap_err();
        assert!(matches!(error, CommandError::Failed { .. }), "{error}");
    }

    #[test]
    fn an_answer_has_its_limit() {
        assert_eq!(ask("printf 12345", b"", 5, PATIENCE).unwrap().len(), 5);
        assert!(matches!(ask("printf 123456", b"", 5, PATIENCE), Err(CommandError::Flooded { .. })));
        // Endless: only that it is killed makes this return.
        assert!(matches!(ask("yes", b"", 5, PATIENCE), Err(CommandError::Flooded { .. })));
    }

    #[test]
    fn what_it_says_has_its_limit_and_steers_no_terminal() {
        let line = "i=0; while [ $i -lt 5000 ]; do echo 0123456789 >&2; i=$((i+1)); done; printf done";
        assert_eq!(ask(line, b"", 9, PATIENCE).unwrap().expose(), b"done");
        assert!(SAID.take().iter().map(String::len).sum::<usize>() < 2 * MOST_SAID);
        ask("printf '\\033[2Jgone\\007\\n' >&2", b"", 9, PATIENCE).unwrap();
        assert_eq!(SAID.take(), ["sh: \u{fffd}[2Jgone\u{fffd}"]);
    }

    #[test]
    fn one_that_hangs_is_killed_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        let line = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
        let error = ask(&line, b"", 9, Duration::from_secs(2)).unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
        let pids = std::fs::read_to_string(pids).unwrap();
        let pids: Vec<_> = pids.split_whitespace().collect();
        assert_eq!(pids.len(), 2, "it had started both: {pids:?}");
        pids.into_iter().for_each(gone);
    }

    #[test]
    fn what_it_leaves_behind_is_killed_and_holds_nothing_up() {
        let answer = ask("sleep 1000 & printf $!", b"", 9, PATIENCE).unwrap();
        gone(std::str::from_utf8(answer.expose()).unwrap());
    }

    #[test]
    fn one_that_reads_nothing_is_no_failure() {
        assert_eq!(ask("exec <&-; printf ok", &vec![7; 1 << 20], 9, PATIENCE).unwrap().expose(), b"ok");
    }

    /// Waits until a killed process is no more, or only waits for its parent.
    fn gone(pid: &str) {
        let path = format!("/proc/{pid}/stat");
        let ended = |stat: String| stat.rsplit(')').next().unwrap().trim().starts_with(['Z', 'X']);
        let deadline = Instant::now() + PATIENCE;
        while std::fs::read_to_string(&path).is_ok_and(|stat| !ended(stat)) {
            assert!(Instant::now() < deadline, "{pid} is still there");
            thread::sleep(Duration::from_millis(10));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_program_or_none_without_panic(text in ".{0,60}", array in "\\[.{0,60}") {
            let _ = (text.parse::<Program>(), array.parse::<Program>());
        }
    }
}
