//! Case folding of member names. A file system that ignores case takes two names with the
//! same fold for one file. The tables are fixed here: those of Unicode grow, and whether a
//! file is valid must not depend on the year in which its reader was built.

/// Each second one, from the first to the last, is a capital; its small letter follows.
const PAIRS: [(char, char); 11] = [
    ('\u{100}', '\u{12e}'),
    ('\u{132}', '\u{136}'),
    ('\u{139}', '\u{147}'),
    ('\u{14a}', '\u{176}'),
    ('\u{179}', '\u{17d}'),
    ('\u{460}', '\u{480}'),
    ('\u{48a}', '\u{4be}'),
    ('\u{4c1}', '\u{4cd}'),
    ('\u{4d0}', '\u{52e}'),
    ('\u{1e00}', '\u{1e94}'),
    ('\u{1ea0}', '\u{1efe}'),
];

/// Capitals from the first to the last, and how far behind them their small letters are.
const BLOCKS: [(char, char, u32); 11] = [
    ('A', 'Z', 32),
    ('\u{c0}', '\u{d6}', 32),
    ('\u{d8}', '\u{de}', 32),
    ('\u{388}', '\u{38a}', 37),
    ('\u{38e}', '\u{38f}', 63),
    ('\u{391}', '\u{3a1}', 32),
    ('\u{3a3}', '\u{3ab}', 32),
    ('\u{400}', '\u{40f}', 80),
    ('\u{410}', '\u{42f}', 32),
    ('\u{531}', '\u{556}', 48),
    ('\u{ff21}', '\u{ff3a}', 32),
];

/// Letters that stand apart, the sigma of a word's end and the long s among them.
const SINGLE: [(char, char); 11] = [
    ('\u{b5}', '\u{3bc}'),
    ('\u{178}', '\u{ff}'),
    ('\u{17f}', 's'),
    ('\u{386}', '\u{3ac}'),
    ('\u{38c}', '\u{3cc}'),
    ('\u{3c2}', '\u{3c3}'),
    ('\u{4c0}', '\u{4cf}'),
    ('\u{1e9e}', '\u{df}'),
    ('\u{2126}', '\u{3c9}'),
    ('\u{212a}', 'k'),
    ('\u{212b}', '\u{e5}'),
];

/// The fold of `name`: names that differ only in case have the same one.
pub(super) fn folded(name: &str) -> String {
    name.chars().map(small).collect()
}

/// The small letter of `c`, by the tables of the format; any other is its own.
fn small(c: char) -> char {
    if let Some((_, small)) = SINGLE.iter().find(|(single, _)| *single == c) {
        return *small;
    }
    let behind = |first: char| u32::from(c) - u32::from(first);
    let pair =
        |(first, last): &(char, char)| (*first..=*last).contains(&c) && behind(*first).is_multiple_of(2);
    let block = BLOCKS.iter().find(|(first, last, _)| (*first..=*last).contains(&c));
    let distance = block.map_or(u32::from(PAIRS.iter().any(pair)), |(_, _, distance)| *distance);
    char::from_u32(u32::from(c) + distance).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = char> {
        (0..=u32::from(char::MAX)).filter_map(char::from_u32)
    }

    /// The tables are right: letters with one fold are the same letter by Unicode, too.
    #[test]
    fn only_cases_of_one_letter_have_the_same_fold() {
        let mut changed = 0;
        for c in all().filter(|c| small(*c) != *c) {
            let upper = |c: char| c.to_uppercase().flat_map(char::to_lowercase).collect::<String>();
            let is_lower = c.to_lowercase().eq([small(c)]);
            assert!(is_lower || upper(c) == upper(small(c)), "{c} {}", small(c));
            assert_eq!(small(small(c)), small(c), "{c}");
            changed += 1;
        }
        assert_eq!(changed, 493);
    }

    /// Names in these scripts have one fold in every case.
    #[test]
    fn latin_greek_and_cyrillic_are_known_whole() {
        let blocks = ['A'..='Z', '\u{c0}'..='\u{17f}', '\u{386}'..='\u{3ce}', '\u{400}'..='\u{52f}'];
        for c in blocks.into_iter().flatten().filter(|c| !['İ', 'ı'].contains(c)) {
            let mut lower = c.to_lowercase();
            assert_eq!(small(c), small(lower.next().unwrap()), "{c}");
        }
    }

    /// The document has the same tables.
    #[test]
    fn the_tables_are_those_of_the_format() {
        let page = include_str!("../../../docs/file-format.md");
        let code = |c: char| format!("{:04X}", u32::from(c));
        let range = |first, last| format!("{}–{}", code(first), code(last));
        let mut rows = vec![("1, every second".to_owned(), PAIRS.map(|(a, b)| range(a, b)).join(", "))];
        for distance in [32, 37, 48, 63, 80] {
            let of = BLOCKS.iter().filter(|block| block.2 == distance);
            rows.push((
                distance.to_string(),
                of.map(|(a, b, _)| range(*a, *b)).collect::<Vec<_>>().join(", "),
            ));
        }
        for (distance, codes) in rows {
            assert!(page.contains(&format!("\n| {codes} | + {distance} |\n")), "{distance}: {codes}");
        }
        let single = SINGLE.map(|(a, b)| format!("{} {}", code(a), code(b))).join(", ");
        assert!(page.contains(&format!("\n| {single} | the second |\n")), "{single}");
    }
}
