//! Fuzz targets: the parsers of foreign bytes, and what must hold of them whatever the
//! bytes. `cargo test` replays the inputs that lie under `__fuzz__/`, and a few random
//! ones; `.ci/fuzz` looks for more, guided by coverage.
//!
//! A target gets through checksums, MACs and ciphers by making them right after the
//! fuzzer has changed what they protect: see `forge`.

mod archive;
mod forge;
mod header;
mod model;
mod recipients;
mod reference;
mod signature;

use bolero::check;

#[test]
fn archive() {
    check!().for_each(archive::holds);
}

#[test]
fn header() {
    check!().for_each(header::holds);
}

#[test]
fn model() {
    check!().for_each(model::holds);
}

#[test]
fn recipients() {
    check!().for_each(recipients::holds);
}

#[test]
fn signature() {
    check!().for_each(signature::holds);
}
