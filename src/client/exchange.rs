//! One request over one connection, and the whole answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::{Connection, Stream};
use super::early::Early;
use super::error::ClientError;
use super::target::Target;

/// A request in hyper's form. Host is added, and User-Agent where there is none;
/// Content-Length comes from the body.
pub fn message(
    target: &Target,
    method: &Method,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<http::Request<Full<Bytes>>, ClientError> {
    let unfit = || ClientError::Url { detail: "it holds what a request cannot carry".into() };
    let mut message = http::Request::new(Full::new(body));
    *message.method_mut() = method.clone();
    *message.uri_mut() = target.path_and_query().parse().map_err(|_| unfit())?;
    *message.headers_mut() = headers.clone();
    let host = HeaderValue::from_str(target.authority()).map_err(|_| unfit())?;
    message.headers_mut().insert(HOST, host);
    let agent = HeaderValue::from_static(concat!("sealserve/", env!("CARGO_PKG_VERSION")));
    message.headers_mut().entry(USER_AGENT).or_insert(agent);
    Ok(message)
}

/// Sends `message` over `connection`, and takes in the whole answer, whose body has at most
/// `longest` bytes.
pub async fn exchange(
    connection: Connection,
    message: http::Request<Full<Bytes>>,
    longest: usize,
) -> Result<(http::response::Parts, Bytes), ClientError> {
    let Connection { stream, authority, begun, limit } = connection;
    let left = limit.saturating_sub(begun.elapsed());
    let exchange = async {
        match stream {
            Stream::Tls(stream) => over(*stream, message, &authority, longest).await,
            Stream::Plain(stream) => over(stream, message, &authority, longest).await,
        }
    };
    let ended = tokio::time::timeout(left, exchange).await;
    ended.map_err(|_| ClientError::Timeout { authority, limit })?
}

async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    message: http::Request<Full<Bytes>>,
    authority: &str,
    limit: usize,
) -> Result<(http::response::Parts, Bytes), ClientError> {
    let closed = Arc::new(AtomicBool::new(false));
    let failed = |source| ClientError::exchange(authority, source, closed.load(Ordering::Relaxed));
    let stream = Early::new(stream, Arc::clone(&closed));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends with the connection; what it could say, the answer says too.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(message).await.map_err(failed)?.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return ClientError::ResponseTooLarge { limit };
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => failed(*error),
            Err(_) => ClientError::Cut { authority: authority.to_owned() },
        }
    })?;
    Ok((head, body.to_bytes()))
}
