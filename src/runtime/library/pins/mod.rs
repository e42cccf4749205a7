//! The builds of ONNX Runtime that are known by their SHA-256.
//!
//! The hashes were taken from PyPI's wheels. Whoever controls PyPI, a mirror or
//! the network can therefore withhold a library, but not replace it.

use std::fmt;

use crate::crypto::digest::Digest;

mod table;

pub use table::RELEASES;

/// What `runtime install` installs. 1.29 is the oldest that this program loads,
/// so whatever it runs on runs on the later ones too.
pub const DEFAULT_VERSION: &str = "1.29.0";

/// Which processors a build can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flavor {
    /// The CPU only.
    Cpu,
    /// NVIDIA GPUs too (CUDA 13, cuDNN 9).
    Cuda,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
        })
    }
}

/// One build of ONNX Runtime for one kind of machine.
#[derive(Debug)]
pub struct Release {
    /// Version of ONNX Runtime.
    pub version: &'static str,
    /// Which processors it can use.
    pub flavor: Flavor,
    /// Architecture, as in [`std::env::consts::ARCH`].
    pub arch: &'static str,
    /// What it is made of; the first file of the first wheel is the library itself.
    pub wheels: &'static [Wheel],
}

/// A wheel on PyPI.
#[derive(Debug)]
pub struct Wheel {
    /// Name of the project.
    pub project: &'static str,
    /// Version of the project.
    pub version: &'static str,
    /// Name of the file.
    pub file: &'static str,
    /// Length of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// What is taken out of it.
    pub members: &'static [Member],
}

/// A file in a wheel.
#[derive(Debug)]
pub struct Member {
    /// Where it lies in the wheel.
    pub path: &'static str,
    /// Its length.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

impl Release {
    /// The library itself.
    pub fn library(&self) -> &'static Member {
        &self.wheels[0].members[0]
    }

    /// Everything that is installed.
    pub fn members(&self) -> impl Iterator<Item = &'static Member> {
        self.wheels.iter().flat_map(|wheel| wheel.members)
    }

    /// How many bytes are downloaded.
    pub fn download_size(&self) -> u64 {
        self.wheels.iter().map(|wheel| wheel.size).sum()
    }

    /// Name of the directory that it is installed in.
    pub fn directory(&self) -> String {
        match self.flavor {
            Flavor::Cpu => format!("onnxruntime-{}", self.version),
            Flavor::Cuda => format!("onnxruntime-cuda-{}", self.version),
        }
    }
}

impl Member {
    /// The name that it has once installed.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// The release that `runtime install` installs on `arch`.
pub fn preferred(flavor: Flavor, arch: &str) -> Option<&'static Release> {
    RELEASES.iter().find(|r| r.version == DEFAULT_VERSION && r.flavor == flavor && r.arch == arch)
}

/// The release whose library has this SHA-256.
pub fn identify(library: &Digest) -> Option<&'static Release> {
    RELEASES.iter().find(|release| release.library().sha256 == *library)
}

/// `digest` in hexadecimal.
pub fn hex(digest: &Digest) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a digest at compile time.
const fn sha256(hex: &str) -> Digest {
    const fn nibble(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        }
    }
    let text = hex.as_bytes();
    assert!(text.len() == 64, "not a SHA-256");
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]);
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_default_and_libraries_are_told_apart() {
        for arch in ["x86_64", "aarch64"] {
            let release = preferred(Flavor::Cpu, arch).unwrap();
            assert_eq!(release.library().name(), format!("libonnxruntime.so.{DEFAULT_VERSION}"));
        }
        assert!(preferred(Flavor::Cuda, "x86_64").is_some());
        assert!(preferred(Flavor::Cpu, "riscv64").is_none());
        for release in RELEASES {
            let found = identify(&release.library().sha256).unwrap();
            assert!(std::ptr::eq(found, release), "{release:?}");
        }
    }

    #[test]
    fn names_are_plain_and_unique_within_a_release() {
        for release in RELEASES {
            let mut names: Vec<_> = release.members().map(Member::name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), release.members().count());
            assert!(names.iter().all(|name| name.starts_with("lib") && name.contains(".so")));
        }
    }

    #[test]
    fn hex_is_the_inverse_of_the_table() {
        let text = "8902e52a04bf6bf26f1613746811d6194f9c97ce7a6a7a28452b48522d3bd8d0";
        assert_eq!(hex(&sha256(text)), text);
    }
}
