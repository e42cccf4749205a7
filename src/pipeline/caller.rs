//! Who sent a request, proven, and whether that still holds.

use std::sync::Arc;

use super::{ApiError, Core, Snapshot};
use crate::auth::{ApiKeyError, AuthError, ConnectionInfo, Credential, Principal, SignedRequest};
use crate::clock::UnixSeconds;
use crate::config::SigningMode;
use crate::signing::Received;
use crate::token::TokenError;

/// A signature that a request brings. Nothing of it is proven.
pub struct Presented {
    /// The signature.
    pub received: Received,
    /// Whether the request is for this server, by the authority that is signed.
    pub is_for_us: bool,
}

/// What a request brings to prove who sent it.
pub(super) struct Evidence<'a, S> {
    pub(super) connection: &'a Arc<ConnectionInfo>,
    pub(super) credentials: Arc<[Credential]>,
    /// Reads its signature, if it has one.
    pub(super) signature: S,
}

/// The sender of a request, proven: by what, and when.
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
    /// Judges `evidence` by the keyring in force; `named` hears who it is before the
    /// signature is judged. A key that is not known has the keyring read again first.
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
                    // It is the owner's, and may be for another server that knows the same key.
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

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The request's signature, if it has one.
    pub fn signed(&self) -> Option<&Arc<SignedRequest>> {
        self.0.signed.as_ref()
    }

    /// Judges the caller again where time passed or the keyring changed: a request
    /// takes as long as its body and its turn in the queue, and a revocation does
    /// not wait for either.
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

/// Whether a newer keyring may know the key.
fn is_unknown(error: &AuthError) -> bool {
    matches!(
        error,
        AuthError::Token(TokenError::UnknownKey { .. })
            | AuthError::ApiKey(ApiKeyError::Unknown { .. })
            | AuthError::UnknownRequestKey { .. }
    )
}
