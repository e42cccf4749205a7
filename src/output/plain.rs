//! Text that steers no terminal: names of files, and what other programs say, may hold
//! anything.

/// `text` with its control characters written out, but for the ends of lines and tabs.
pub fn plain(text: &str) -> String {
    escaped(text, |c| c.is_control() && c != '\n' && c != '\t')
}

/// The same on one line: a name must not look like more rows than one.
pub fn one_line(text: &str) -> String {
    escaped(text, char::is_control)
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_bad(c) { plain.extend(c.escape_debug()) } else { plain.push(c) }
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
}
