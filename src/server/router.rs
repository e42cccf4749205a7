//! All routes of the server, and the layers that each passes.
//!
//! ```text
//! route                                            credential  codec
//! GET  /v2/health/live                             none        health
//! GET  /v2/health/ready                            none        health
//! GET  /.well-known/jwks.json                      none        jwks
//! GET  /v2                                         needed      v2
//! GET  /v2/models/{model}[/versions/{v}]           needed      v2
//! GET  /v2/models/{model}[/versions/{v}]/ready     needed      v2
//! POST /v2/models/{model}[/versions/{v}]/infer     needed      v2
//! ```
//!
//! All of them, and requests that are refused before routing, pass [`finish`], which records
//! and completes them. There are no other routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use tower::ServiceExt;

use super::app::App;
use super::http::finish::{self, Refusal};
use super::http::{authn, error};
use super::{health, jwks, v2};
use crate::auth::ConnectionInfo;
use crate::pipeline::{ApiError, Record};

/// Answers requests.
pub(super) struct Service {
    app: Arc<App>,
    routes: Router,
}

impl Service {
    pub(super) fn new(app: &Arc<App>) -> Self {
        let with_credential = Router::new()
            .route("/v2", get(v2::server_metadata))
            .route("/v2/models/{model}", get(v2::model_metadata))
            .route("/v2/models/{model}/versions/{version}", get(v2::model_metadata))
            .route("/v2/models/{model}/ready", get(v2::model_ready))
            .route("/v2/models/{model}/versions/{version}/ready", get(v2::model_ready))
            .route("/v2/models/{model}/infer", post(v2::infer))
            .route("/v2/models/{model}/versions/{version}/infer", post(v2::infer))
            .route_layer(middleware::from_fn_with_state(Arc::clone(app), authn::layer));
        let routes = Router::new()
            .route("/v2/health/live", get(health::live))
            .route("/v2/health/ready", get(health::ready))
            .route("/.well-known/jwks.json", get(jwks::public_keys))
            .merge(with_credential)
            .fallback(|| async { finish::refuse(ApiError::no_route()) })
            .method_not_allowed_fallback(|| async { finish::refuse(error::wrong_method()) })
            .with_state(Arc::clone(app));
        Self { app: Arc::clone(app), routes }
    }

    pub(super) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Answers the request with this `head` and `body`, or one that was `refused` already.
    pub(super) async fn answer(
        &self,
        connection: &Arc<ConnectionInfo>,
        refused: Option<ApiError>,
        head: Parts,
        body: Body,
    ) -> Response {
        let record = Arc::new(self.app.core.begin(connection));
        let head_only = head.method == Method::HEAD;
        let outcome = match refused {
            Some(error) => Err(error.into()),
            None => self.route(&record, head, body).await,
        };
        finish::complete(&self.app, &record, head_only, outcome).await
    }

    async fn route(
        &self,
        record: &Arc<Record>,
        mut head: Parts,
        mut body: Body,
    ) -> Result<Response, Refusal> {
        // Most requests are inferences. They take the same steps as in the routes above, without
        // the cost of a general router.
        if let Some(target) = v2::inference(&head) {
            let caller = authn::authenticate(&self.app, record, &head, &mut body).await?;
            return Ok(v2::run(record, &caller, target, &head.headers, body).await?);
        }
        head.extensions.insert(Arc::clone(record));
        let Ok(response) = self.routes.clone().oneshot(Request::from_parts(head, body)).await;
        finish::outcome(response)
    }
}
