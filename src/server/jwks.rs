//! The public keys that verify tokens (RFC 7517). No credential is needed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::app::App;
use super::http::{finish, json};
use crate::token::JwkSet;

pub(super) async fn public_keys(State(app): State<Arc<App>>) -> Response {
    match app.core.keyring.trusted() {
        Ok(snapshot) => json(StatusCode::OK, &JwkSet::new(&snapshot.keys, app.core.clock.unix())),
        Err(error) => finish::refuse(error),
    }
}
