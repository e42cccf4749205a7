//! What the grammar of the file cannot say: which values make sense.

use std::net::IpAddr;
use std::time::Duration;

use super::file::{Config, KeysTable, LimitsTable, ModelTable, SigningTable};

/// The longest window that a nonce is remembered for.
const LONGEST_WINDOW: Duration = Duration::from_mins(5);

/// With less, hardly any model could run.
const LEAST_RUN_MEMORY: usize = 1 << 20;

/// Fails with what is wrong.
pub(super) fn values(config: &Config) -> Result<(), String> {
    if config.issuer.is_empty() || config.audience.is_empty() {
        return Err("issuer and audience must not be empty".into());
    }
    limits(&config.limits)?;
    signing(&config.signing)?;
    keys(&config.keys)?;
    for (index, model) in config.models.iter().enumerate() {
        self::model(model)?;
        if config.requires_signature(model) && config.trusted_signers(model).is_empty() {
            return Err(format!(
                "model '{}': a signature is required, but trusted_signers is empty",
                model.name
            ));
        }
        if config.models[..index].iter().any(|other| other.name == model.name) {
            return Err(format!("model '{}' is there twice", model.name));
        }
    }
    Ok(())
}

fn limits(limits: &LimitsTable) -> Result<(), String> {
    let none = [
        ("connections", limits.connections == 0),
        ("connections_per_address", limits.connections_per_address == 0),
        ("body", limits.body == 0),
        ("answer", limits.answer == 0),
        ("handshake_timeout", limits.handshake_timeout.0.is_zero()),
        ("header_timeout", limits.header_timeout.0.is_zero()),
        ("body_timeout", limits.body_timeout.0.is_zero()),
        ("body_deadline", limits.body_deadline.0.is_zero()),
        ("inference_timeout", limits.inference_timeout.0.is_zero()),
    ];
    if let Some((key, _)) = none.iter().find(|(_, none)| *none) {
        return Err(format!("limits.{key} must not be 0: nothing would be let in"));
    }
    if u32::try_from(limits.body).is_err() {
        return Err("limits.body must be less than 4 GiB".into());
    }
    if u32::try_from(limits.answer).is_err() {
        return Err("limits.answer must be less than 4 GiB".into());
    }
    if limits.answer > limits.answer_memory {
        return Err("limits.answer is larger than limits.answer_memory".into());
    }
    if limits.body > limits.body_memory {
        return Err("limits.body is larger than limits.body_memory".into());
    }
    between("limits.headers", limits.headers, 8 << 10, 256 << 10)
}

fn signing(signing: &SigningTable) -> Result<(), String> {
    let window = signing.window.0;
    if window < Duration::from_secs(1) || window > LONGEST_WINDOW {
        return Err("signing.window must be from 1s to 300s".into());
    }
    let is_host = |host: &String| {
        host.parse::<IpAddr>().is_ok() || !(host.is_empty() || host.contains([':', '/', '[', ' ']))
    };
    if !signing.authorities.iter().all(is_host) {
        return Err("signing.authorities are hosts, without port, scheme or brackets".into());
    }
    between("signing.nonces", signing.nonces, 1, 100_000_000)
}

fn keys(keys: &KeysTable) -> Result<(), String> {
    if keys.unwrap_command.is_empty() != keys.command_key.is_none() {
        return Err("keys.unwrap_command and keys.command_key go together".into());
    }
    if keys.command_authenticates && keys.command_key.is_none() {
        return Err("keys.command_authenticates says nothing without keys.unwrap_command".into());
    }
    if keys.command_timeout.0.is_zero() {
        return Err("keys.command_timeout of 0 would let no command answer".into());
    }
    Ok(())
}

fn model(model: &ModelTable) -> Result<(), String> {
    let name = &model.name;
    if !is_model_name(name) || !is_model_name(&model.version) {
        return Err(format!("model '{name}': name and version take 1 to 128 of a-z A-Z 0-9 . _ -"));
    }
    let sessions = model.sessions.unwrap_or(1);
    for (key, value, most) in
        [("sessions", sessions, 256), ("threads", model.threads, 1024), ("queue", model.queue, 1 << 20)]
    {
        between(&format!("model '{name}': {key}"), value, 1, most)?;
    }
    match model.run_memory {
        Some(bytes) if bytes < LEAST_RUN_MEMORY => {
            Err(format!("model '{name}': run_memory must be {LEAST_RUN_MEMORY} bytes or more"))
        }
        _ => Ok(()),
    }
}

/// Whether a server takes `name` as a name or a version of a model: it stands in URLs and in
/// scopes as it is.
pub fn is_model_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn between(key: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    let within = (least..=most).contains(&value);
    if within { Ok(()) } else { Err(format!("{key} must be from {least} to {most}")) }
}
