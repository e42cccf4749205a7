//! A new header for a file that stays where it is. One slot always holds a whole
//! header: the slot that does not count is written and made durable first, then
//! the other, so that a kill at any instant leaves a readable file.

use std::fs::File;

use super::body::Body;
use super::error::ContainerError;
use super::header::Header;
use super::slot::{self, SlotName};
use crate::fs;
use crate::secret::Secret;

/// Writes what `change` makes of the current header into both slots of `file`, as
/// the next generation, which is returned. `header` must have been authenticated
/// under `data_key`, and the file be locked since before it was read.
pub(super) fn rewrite(
    name: &str,
    file: &File,
    header: &Header,
    data_key: &Secret<32>,
    change: impl FnOnce(Body) -> Body,
) -> Result<u64, ContainerError> {
    let (preamble, current) = (header.preamble(), header.current());
    let generation = current.body.generation.checked_add(1);
    let generation = generation.ok_or_else(|| ContainerError::Generations { name: name.to_owned() })?;
    let body = Body { generation, ..change(current.body.clone()) };
    let full = |error| match error {
        ContainerError::HeaderTooLarge => {
            ContainerError::SlotFull { name: name.to_owned(), bytes: preamble.slot_len }
        }
        other => other,
    };
    let bytes = body.encode().and_then(|body| slot::write(preamble, &body, data_key)).map_err(full)?;
    let order = match current.name {
        SlotName::A => [SlotName::B, SlotName::A],
        SlotName::B => [SlotName::A, SlotName::B],
    };
    for slot in order {
        fs::write_at_durably(file, &bytes, preamble.slot_offset(slot))
            .map_err(|source| ContainerError::Write { name: name.to_owned(), source })?;
    }
    Ok(generation)
}
