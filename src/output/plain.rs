//! Text that steers no terminal: names of files, and what other programs say, may hold
//! anything.

/// `text` with what steers written out, but for the ends of lines and tabs.
pub fn plain(text: &str) -> String {
    escaped(text, |c| steers(c) && c != '\n' && c != '\t')
}

/// The same on one line: a name must not look like more rows than one.
pub fn one_line(text: &str) -> String {
    escaped(text, steers)
}

/// Whether `c` is a control character, or one that is not seen and changes how others are:
/// their direction, where a line ends. These are the categories Cc, Cf, Zl and Zp of
/// Unicode 16, and what is set aside for more of them.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if !is_bad(c) => plain.push(c),
            _ if c.is_control() => plain.extend(c.escape_debug()),
            _ => plain.extend(c.escape_unicode()),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out_and_nothing_else_is() {
        let text = "\u{1b}[2Jmödel \"é\" e\u{301}\t\u{7f}\u{9b}1m\r\n模型\0";
        let written = "\\u{1b}[2Jmödel \"é\" e\u{301}\t\\u{7f}\\u{9b}1m\\r\n模型\\0";
        assert_eq!(plain(text), written);
        assert_eq!(one_line(text), written.replace('\t', "\\t").replace('\n', "\\n"));
    }

    #[test]
    fn no_name_looks_like_another() {
        // Right to left, and back; a line's and a paragraph's end; nothing; a tag.
        let text = "gnp\u{202e}.onnx\u{202c} a\u{2028}b\u{2029}c\u{200b}d\u{feff}e\u{e0041}";
        let written = "gnp\\u{202e}.onnx\\u{202c} a\\u{2028}b\\u{2029}c\\u{200b}d\\u{feff}e\\u{e0041}";
        assert_eq!((plain(text), one_line(text)), (written.to_owned(), written.to_owned()));
        for seen in ["עברית", "नमस्ते", "한국어", "a\u{a0}b", "🙂"] {
            assert_eq!(one_line(seen), seen);
        }
    }
}
