//! The authenticated caller of a request, and whether its credential is still valid.

use std::sync::Arc;

use super::{ApiError, Core, Snapshot};
use crate::auth::{ApiKeyError, AuthError, ConnectionInfo, Credential, Principal, SignedRequest};
use crate::clock::UnixSeconds;
use crate::config::SigningMode;
use crate::signing::Received;
use crate::token::TokenError;

/// The signature of a request. It is not verified yet.
pub struct Presented {
    /// The signature.
    pub received: Received,
    /// Whether the signed authority is this server.
    pub is_for_us: bool,
}

/// Everything in a request that can authenticate its caller.
pub(super) struct Evidence<'a, S> {
    pub(super) connection: &'a Arc<ConnectionInfo>,
    pub(super) credentials: Arc<[Credential]>,
    /// Reads the signature, if there is one.
    pub(super) signature: S,
}

/// An authenticated caller, with the evidence and the time of its check.
#[derive(Clone)]
pub struct Caller(Arc<Proven>);

struct Proven {
    principal: Principal,
    signed: Option<Arc<SignedRequest>>,
    snapshot: Arc<Snapshot>,
    at: UnixSeconds,
    connection: Arc<ConnectionInfo>,
    credentials: Arc<[Credential]>,
}

impl Caller {
    /// Checks `evidence` against the keyring in force. `named` is called with the principal
    /// before the signature is verified. If a key is unknown, the keyring is read again first.
    pub(super) async fn authenticate<S>(
        core: &Core,
        evidence: Evidence<'_, S>,
        named: impl Fn(&Principal),
    ) -> Result<Self, ApiError>
    where
        S: Fn() -> Result<Option<Presented>, AuthError>,
    {
        let mut judged = Self::judge(core, core.keyring.trusted()?, &evidence, &named);
        if judged.as_ref().is_err_and(is_unknown) {
            core.keyring.refresh.fresh().await;
            judged = Self::judge(core, core.keyring.trusted()?, &evidence, &named);
        }
        Ok(judged?)
    }

    fn judge<S>(
        core: &Core,
        snapshot: Arc<Snapshot>,
        evidence: &Evidence<'_, S>,
        named: &impl Fn(&Principal),
    ) -> Result<Self, AuthError>
    where
        S: Fn() -> Result<Option<Presented>, AuthError>,
    {
        let at = core.clock.unix();
        let Evidence { connection, credentials, signature } = evidence;
        let principal = snapshot.authenticator.authenticate(connection, credentials, at)?;
        named(&principal);
        let signed = match core.signing {
            SigningMode::Off => None,
            mode => match signature()? {
                Some(Presented { received, is_for_us }) => {
                    let signed = snapshot.request_keys.verify(received, &principal, at)?;
                    // The signature is valid, but may be for another server with the same key.
                    Some(is_for_us.then(|| Arc::new(signed)).ok_or(AuthError::Misdirected)?)
                }
                None if mode == SigningMode::Required => return Err(AuthError::Unsigned),
                None => None,
            },
        };
        Ok(Self(Arc::new(Proven {
            principal,
            signed,
            snapshot,
            at,
            connection: Arc::clone(connection),
            credentials: Arc::clone(credentials),
        })))
    }

    /// The principal.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The request's signature, if it has one.
    pub fn signed(&self) -> Option<&Arc<SignedRequest>> {
        self.0.signed.as_ref()
    }

    /// Checks the credential again, if time has passed or the keyring has changed. A request can
    /// take long, and a revocation must not wait for it.
    pub fn still_holds(&self, core: &Core) -> Result<(), ApiError> {
        let proven = &*self.0;
        let (snapshot, now) = (core.keyring.trusted()?, core.clock.unix());
        if Arc::ptr_eq(&proven.snapshot, &snapshot) && proven.at == now {
            return Ok(());
        }
        let authenticator = &snapshot.authenticator;
        let principal = authenticator.authenticate(&proven.connection, &proven.credentials, now)?;
        if let Some(signed) = &proven.signed {
            snapshot.request_keys.still_accept(signed, &principal, now)?;
        }
        Ok(())
    }
}

/// Whether a newer keyring may contain the key.
fn is_unknown(error: &AuthError) -> bool {
    matches!(
        error,
        AuthError::Token(TokenError::UnknownKey { .. })
            | AuthError::ApiKey(ApiKeyError::Unknown { .. })
            | AuthError::UnknownRequestKey { .. }
    )
}
