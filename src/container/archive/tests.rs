//! Archives: what goes in comes out, one form only, and everything else is refused.

use std::io::{Cursor, Read, Write};

use data_encoding::HEXLOWER;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::block::{BLOCK, Entry, padding};
use super::manifest::{Manifest, Member};
use super::*;
use crate::crypto::digest::sha256;

type Files = Vec<(String, Vec<u8>)>;

/// Collects members.
#[derive(Default)]
struct Kept(Files);

impl Receive for Kept {
    fn begin(&mut self, name: &str, _: u64, _: u64) -> std::io::Result<()> {
        self.0.push((name.to_owned(), Vec::new()));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.last_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write(model: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let sizes = files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    let open = |name: &str| Ok(Cursor::new(files.iter().find(|(n, _)| n == name).unwrap().1.clone()));
    let mut writer = Writer::new(model, sizes, open).unwrap();
    let length = writer.length();
    let mut out = Vec::new();
    writer.read_to_end(&mut out).unwrap();
    assert_eq!(out.len() as u64, length, "the length is known beforehand");
    out
}

fn read_in(archive: &[u8], piece: usize) -> Result<(Manifest, Files), ArchiveFault> {
    let mut reader = Reader::new(Kept::default(), archive.len() as u64, true);
    for bytes in archive.chunks(piece) {
        if reader.write_all(bytes).is_err() {
            return Err(reader.fault().unwrap());
        }
    }
    reader.finish().map(|(manifest, kept)| (manifest, kept.0))
}

fn read(archive: &[u8]) -> Result<(Manifest, Files), ArchiveFault> {
    let result = read_in(archive, archive.len().max(1));
    assert_eq!(read_in(archive, 7), result, "pieces make no difference");
    result
}

struct Slice<'a>(&'a [u8]);

impl PlainAt for Slice<'_> {
    type Error = ArchiveFault;

    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ArchiveFault> {
        let rest = self.0.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        Ok(rest[..length.min(rest.len())].to_vec())
    }
}

fn files(list: &[(&str, &[u8])]) -> Files {
    list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

fn small() -> Files {
    files(&[("d/w.bin", &[7; 600]), ("empty", b""), ("m.onnx", b"graph")])
}

fn block(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Entry { name: name.to_owned(), size: bytes.len() as u64 }.encode();
    out.extend_from_slice(bytes);
    out.resize(out.len() + padding(bytes.len() as u64), 0);
    out
}

/// An archive put together by hand: any entries, any manifest.
fn by_hand(entries: &[Vec<u8>], manifest: &str) -> Vec<u8> {
    [entries.concat(), block(MANIFEST, manifest.as_bytes()), vec![0; 2 * BLOCK]].concat()
}

fn manifest_of(model: &str, members: &[(&str, &[u8])]) -> String {
    let member = |(name, bytes): &(&str, &[u8])| Member {
        name: (*name).to_owned(),
        size: bytes.len() as u64,
        sha256: sha256(&[bytes]),
    };
    String::from_utf8(Manifest::new(model, members.iter().map(member).collect()).encode()).unwrap()
}

/// `entry` with `change` made to its header, and the sum right again.
fn forged(mut entry: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut entry[..BLOCK]);
    entry[148..156].fill(b' ');
    let sum: u32 = entry[..BLOCK].iter().map(|b| u32::from(*b)).sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    entry
}

#[test]
fn what_is_written_is_read_and_listed() {
    let archive = write("m.onnx", &small());
    let (manifest, found) = read(&archive).unwrap();
    assert_eq!(found, small());
    assert_eq!(manifest.model, "m.onnx");
    assert_eq!(manifest.members[0].sha256, sha256(&[&[7; 600]]));
    assert_eq!(list::list(&mut Slice(&archive)).unwrap(), manifest);
    assert_eq!(
        by_hand(
            &small().iter().map(|(n, b)| block(n, b)).collect::<Vec<_>>(),
            &String::from_utf8(manifest.encode()).unwrap()
        ),
        archive
    );
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let mut turned = small();
    turned.reverse();
    assert_eq!(write("m.onnx", &turned), write("m.onnx", &small()));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    for (said, is) in [(5, 4), (4, 5)] {
        let open = |_: &str| Ok(Cursor::new(vec![1; is]));
        let mut writer = Writer::new("m", vec![("m".into(), said)], open).unwrap();
        let error = writer.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("changed"), "{error}");
    }
}

#[test]
fn names_that_no_manifest_holds_are_refused_before_anything_is_written() {
    let names = |mark: &str| -> Vec<(String, u64)> {
        let member = |i| (format!("{i:05}{}/{}", mark.repeat(240), mark.repeat(150)), 0);
        (0..MAX_MEMBERS).map(member).collect()
    };
    let new = |names: Vec<(String, u64)>| {
        let model = names[0].0.clone();
        Writer::new(&model, names, |_: &str| Ok(std::io::empty())).map(|writer| writer.length())
    };
    assert!(new(names("x")).is_ok());
    assert!(matches!(new(names("\"")), Err(ArchiveFault::Manifest(_))));
}

#[test]
fn tar_itself_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(200));
    let list = files(&[(&long, b"long"), ("m.onnx", b"graph")]);
    let path = directory.path().join("a.tar");
    std::fs::File::create(&path).unwrap().write_all(&write("m.onnx", &list)).unwrap();
    let tar =
        std::process::Command::new("tar").current_dir(&directory).args(["xf", "a.tar"]).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
    assert_eq!(std::fs::read(directory.path().join(&long)).unwrap(), b"long");
    assert_eq!(std::fs::read(directory.path().join("m.onnx")).unwrap(), b"graph");
}

#[test]
fn every_cut_and_every_appended_byte_is_refused() {
    let archive = write("m.onnx", &small());
    for end in 0..archive.len() {
        assert!(read_in(&archive[..end], 4096).is_err(), "{end}");
    }
    for more in [vec![0], vec![1], vec![0; BLOCK]] {
        assert_eq!(read(&[archive.clone(), more].concat()), Err(ArchiveFault::Trailing));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let archive = write("m.onnx", &small());
    for at in 0..archive.len() {
        let mut changed = archive.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(read_in(&changed, 4096).is_err(), "byte {at}");
    }
}

#[test]
fn hostile_archives_are_refused() {
    let (graph, name) = (&b"graph"[..], "m.onnx");
    let good = || block(name, graph);
    let manifest = manifest_of(name, &[(name, graph)]);
    assert!(read(&by_hand(&[good()], &manifest)).is_ok());
    let kind = |flag: u8| forged(good(), |header| header[156] = flag);
    let entries = |first: &str, second: &str| {
        let mut list = vec![first, second, name];
        list.sort_unstable();
        list.into_iter().map(|name| block(name, b"1")).collect::<Vec<_>>()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("parent", by_hand(&[block("../m.onnx", graph)], &manifest), "leads out"),
        ("parent inside", by_hand(&[block("a/../../m.onnx", graph)], &manifest), "leads out"),
        ("absolute", by_hand(&[block("/m.onnx", graph)], &manifest), "absolute"),
        ("here", by_hand(&[block("./m.onnx", graph)], &manifest), "'.'"),
        ("empty part", by_hand(&[block("a//m.onnx", graph)], &manifest), "empty part"),
        ("no name", by_hand(&[block("", graph)], &manifest), "empty"),
        ("backslash", by_hand(&[block("a\\m.onnx", graph)], &manifest), "backslash"),
        ("line end", by_hand(&[block("a\nm.onnx", graph)], &manifest), "control character"),
        ("hard link", by_hand(&[kind(b'1')], &manifest), "hard link"),
        ("symlink", by_hand(&[kind(b'2')], &manifest), "symbolic link"),
        ("device", by_hand(&[kind(b'3')], &manifest), "device"),
        ("block device", by_hand(&[kind(b'4')], &manifest), "device"),
        ("directory", by_hand(&[kind(b'5')], &manifest), "directory"),
        ("pipe", by_hand(&[kind(b'6')], &manifest), "named pipe"),
        ("contiguous", by_hand(&[kind(b'7')], &manifest), "unknown kind"),
        ("old regular", by_hand(&[kind(0)], &manifest), "unknown kind"),
        ("sparse", by_hand(&[kind(b'S')], &manifest), "sparse"),
        ("global pax", by_hand(&[kind(b'g')], &manifest), "out of place"),
        ("GNU long name", by_hand(&[kind(b'L')], &manifest), "out of place"),
        ("GNU long link", by_hand(&[kind(b'K')], &manifest), "out of place"),
        ("duplicate", by_hand(&[good(), good()], &manifest), "twice"),
        ("order", by_hand(&[block("z", b""), good()], &manifest), "not in order"),
        ("case", by_hand(&entries("W.bin", "w.bin"), &manifest), "one file"),
        ("case of a directory", by_hand(&entries("D/a", "d/b"), &manifest), "one file"),
        ("file and directory", by_hand(&entries("a", "a/b"), &manifest), "one file"),
        (
            "checksum",
            by_hand(
                &[{
                    let mut e = good();
                    e[148] ^= 1;
                    e
                }],
                &manifest,
            ),
            "checksum",
        ),
        ("owner", by_hand(&[forged(good(), |h| h[114] = b'1')], &manifest), "more than a name"),
        ("time", by_hand(&[forged(good(), |h| h[146] = b'1')], &manifest), "more than a name"),
        ("mode", by_hand(&[forged(good(), |h| h[103] = b'4')], &manifest), "more than a name"),
        ("link name", by_hand(&[forged(good(), |h| h[157] = b'x')], &manifest), "more than a name"),
        ("owner's name", by_hand(&[forged(good(), |h| h[265] = b'r')], &manifest), "more than a name"),
        (
            "prefix",
            by_hand(&[forged(good(), |h| h[345..347].copy_from_slice(b".."))], &manifest),
            "more than a name",
        ),
        (
            "GNU magic",
            by_hand(&[forged(good(), |h| h[257..265].copy_from_slice(b"ustar  \0"))], &manifest),
            "more than a name",
        ),
        (
            "bytes behind the name",
            by_hand(&[forged(good(), |h| h[50] = b'x')], &manifest),
            "more than a name",
        ),
        ("base-256 size", by_hand(&[forged(good(), |h| h[124] = 0x80)], &manifest), "octal"),
        (
            "negative size",
            by_hand(&[forged(good(), |h| h[124..126].copy_from_slice(b"-1"))], &manifest),
            "octal",
        ),
        ("huge size", by_hand(&[forged(good(), |h| h[124..135].fill(b'7'))], &manifest), "larger"),
        (
            "size beyond the archive",
            by_hand(&[forged(good(), |h| h[124..135].copy_from_slice(b"00000010000"))], &manifest),
            "larger",
        ),
        (
            "padding",
            by_hand(
                &[{
                    let mut e = good();
                    *e.last_mut().unwrap() = 1;
                    e
                }],
                &manifest,
            ),
            "padding",
        ),
        ("nothing", Vec::new(), "cut short"),
        ("zeros", vec![0; 4 * BLOCK], "no manifest"),
        ("no manifest", [good(), vec![0; 2 * BLOCK]].concat(), "no manifest"),
        (
            "an entry behind the manifest",
            [good(), block(MANIFEST, manifest.as_bytes()), good(), vec![0; 2 * BLOCK]].concat(),
            "after its end",
        ),
        (
            "one zero block",
            [good(), block(MANIFEST, manifest.as_bytes()), vec![0; BLOCK]].concat(),
            "cut short",
        ),
        (
            "manifest in other letters",
            by_hand(&[block(".Sealserve-Manifest.json", graph), good()], &manifest),
            "name of the manifest",
        ),
        ("manifest: no JSON", by_hand(&[good()], "x"), "malformed"),
        ("manifest: empty", by_hand(&[good()], ""), "impossible"),
        (
            "manifest: version",
            by_hand(&[good()], &manifest.replace("\"version\":1", "\"version\":2")),
            "version 2",
        ),
        (
            "manifest: more members",
            by_hand(&[good()], &manifest.replace("\"version\"", "\"x\":1,\"version\"")),
            "unknown field",
        ),
        (
            "manifest: twice",
            by_hand(&[good()], &manifest.replace("\"version\":1", "\"version\":1,\"version\":1")),
            "duplicate",
        ),
        (
            "manifest: model",
            by_hand(&[good()], &manifest.replace("\"model\":\"m", "\"model\":\"n")),
            "no member",
        ),
        (
            "manifest: size",
            by_hand(&[good()], &manifest.replace("\"size\":5", "\"size\":6")),
            "other members",
        ),
        (
            "manifest: one too many",
            by_hand(&[good()], &manifest_of(name, &[(name, graph), ("z", b"")])),
            "other members",
        ),
        ("manifest: one too few", by_hand(&[block("a", b""), good()], &manifest), "other members"),
        ("manifest: other content", by_hand(&[good()], &manifest_of(name, &[(name, b"GRAPH")])), "SHA-256"),
    ];
    for (case, archive, why) in cases {
        let fault = read(&archive).map(|_| ()).unwrap_err().to_string();
        assert!(fault.contains(why), "{case}: {fault}");
        if !["padding", "manifest: other content", "an entry behind the manifest", "one zero block"]
            .contains(&case)
        {
            assert!(list::list(&mut Slice(&archive)).is_err(), "{case} is listed");
        }
    }
}

#[test]
fn a_manifest_has_one_form() {
    let manifest = manifest_of("m", &[("m", b"graph")]);
    let digest = HEXLOWER.encode(&sha256(&[b"graph"]));
    for other in [
        manifest.replace(',', ", "),
        format!("{manifest}\n"),
        manifest.replace("\"m\"", "\"\\u006d\""),
        format!(r#"{{"model":"m","version":1,"members":[{{"name":"m","size":5,"sha256":"{digest}"}}]}}"#),
        // serde takes an array for an object without names.
        format!(r#"[1,"m",[["m",5,"{digest}"]]]"#),
    ] {
        let archive = by_hand(&[block("m", b"graph")], &other);
        for found in [read(&archive).map(drop), list::list(&mut Slice(&archive)).map(drop)] {
            let fault = found.unwrap_err().to_string();
            assert!(fault.contains("another form"), "{other}: {fault}");
        }
    }
}

#[test]
fn extended_headers_say_path_and_size_and_nothing_else() {
    let long = "n".repeat(150);
    let entry = Entry { name: long.clone(), size: 5 };
    let manifest = manifest_of(&long, &[(&long, b"graph")]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut header = entry.encode();
        change(&mut header);
        let length = header[BLOCK..2 * BLOCK].iter().position(|b| *b == 0).unwrap();
        let first = forged(header[..BLOCK].to_vec(), |h| {
            h[124..135].copy_from_slice(format!("{length:011o}").as_bytes());
        });
        header[..BLOCK].copy_from_slice(&first);
        header.extend(b"graph");
        header.resize(header.len() + padding(5), 0);
        by_hand(&[header], &manifest)
    };
    assert!(read(&with(&|_| ())).is_ok());
    let append = |record: &'static str| {
        move |header: &mut Vec<u8>| {
            let end = BLOCK + header[BLOCK..].iter().position(|b| *b == 0).unwrap();
            header[end..end + record.len()].copy_from_slice(record.as_bytes());
        }
    };
    for record in [
        "9 size=5\n",
        "9 size=6\n",
        "22 GNU.sparse.major=1\n",
        "24 GNU.sparse.name=/etc/x\n",
        "19 linkpath=/etc/x\n",
        "10 path=x\n",
        "16 mtime=1000.5\n",
        "x",
        "999999999999 path=x\n",
    ] {
        assert!(read(&with(&append(record))).is_err(), "{record}");
    }
    assert!(read(&with(&|header| header[0] = b'_')).is_err(), "another name of the extended header");
    assert!(read(&with(&|header| header[2 * BLOCK] = b'_')).is_err(), "another short name");
}

#[test]
fn a_member_is_not_begun_where_there_is_no_room_for_it() {
    let entry = Entry { name: "m".into(), size: 1 << 50 }.encode();
    let mut reader = Reader::new(Nowhere, 1 << 30, false);
    assert!(reader.write_all(&entry).is_err());
    assert!(matches!(reader.fault(), Some(ArchiveFault::TooLarge { .. })));
}

proptest! {
    #[test]
    fn any_files_come_back(
        list in btree_map("[a-z]{1,8}(/[a-z]{1,120}){0,2}", vec(any::<u8>(), 0..1500), 1..6),
        piece in 1..2000_usize,
    ) {
        let files: Files = list.into_iter().collect();
        let model = files[0].0.clone();
        let sizes: Vec<_> = files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
        // Names that cannot stand beside each other are refused by the writer too.
        let open = |_: &str| Ok(std::io::empty());
        prop_assume!(Writer::new(&model, sizes, open).is_ok());
        let archive = write(&model, &files);
        prop_assert_eq!(read_in(&archive, piece).unwrap().1, files);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..4 * BLOCK), piece in 1..600_usize) {
        let _ = read_in(&bytes, piece);
        let _ = list::list(&mut Slice(&bytes));
    }

    #[test]
    fn a_changed_archive_is_read_without_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), sum_it: bool,
    ) {
        let mut archive = write("m.onnx", &small());
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if sum_it {
            let first = forged(archive[..BLOCK].to_vec(), |_| ());
            archive[..BLOCK].copy_from_slice(&first);
        }
        let _ = read_in(&archive, 300);
        let _ = list::list(&mut Slice(&archive));
    }
}
