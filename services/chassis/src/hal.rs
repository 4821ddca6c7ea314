//! Answers as `application/hal+json`, in the shape that Spring Data REST gave the seeds' clients.

use crate::{idempotency::Answer, query::Paging};
use axum::http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Something that can be answered on its own and in a list.
pub trait Resource: Serialize {
    /// Its name in `_links`: `post`.
    const NAME: &'static str;
    /// The collection it lives in, as path and as name in `_embedded`: `posts`.
    const COLLECTION: &'static str;
    /// Its id in that collection.
    fn id(&self) -> i64;
    /// Counts its changes; answered as the ETag. None where a resource has no version.
    fn version(&self) -> Option<i64> {
        None
    }
}

/// Where the client believes us to be: the address it used, never an inner service's.
#[derive(Debug, Clone)]
pub struct Base(String);

impl Base {
    /// From `X-Forwarded-Proto` and `X-Forwarded-Host`, else `Host`.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text("x-forwarded-host")
            .or_else(|| text(header::HOST.as_str()))
            // A list when several proxies added theirs: the first is the client's.
            .and_then(|hosts| hosts.split(',').next())
            .and_then(|host| host.trim().parse::<Authority>().ok())
            .filter(|host| !host.as_str().contains('@'));
        let scheme = match text("x-forwarded-proto") {
            Some(scheme) if scheme.starts_with("https") => "https",
            _ => "http",
        };
        Self(match host {
            Some(host) => format!("{scheme}://{host}"),
            None => String::new(),
        })
    }

    /// The absolute address of a path.
    pub fn href(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

#[derive(Serialize)]
struct Linked<'a, R> {
    #[serde(flatten)]
    resource: &'a R,
    #[serde(rename = "_links")]
    links: Value,
}

fn self_href<R: Resource>(base: &Base, resource: &R) -> String {
    base.href(&format!("/{}/{}", R::COLLECTION, resource.id()))
}

fn linked<'a, R: Resource>(base: &Base, resource: &'a R) -> Linked<'a, R> {
    let href = self_href(base, resource);
    Linked { resource, links: json!({"self": {"href": href}, R::NAME: {"href": href}}) }
}

fn body<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("resources are plain structs, always JSON")
}

/// 200 with something that has no id of its own, at `path`.
pub fn document<T: Serialize>(base: &Base, name: &str, path: &str, resource: &T) -> Answer {
    let href = base.href(path);
    let links = json!({"self": {"href": href}, name: {"href": href}});
    Answer {
        status: StatusCode::OK,
        location: None,
        etag: None,
        body: Some(body(&Linked { resource, links })),
    }
}

/// 200 with one resource.
pub fn item<R: Resource>(base: &Base, resource: &R) -> Answer {
    Answer {
        status: StatusCode::OK,
        location: None,
        etag: resource.version(),
        body: Some(body(&linked(base, resource))),
    }
}

/// 201 with the resource that was made, and where it is.
pub fn created<R: Resource>(base: &Base, resource: &R) -> Answer {
    Answer { status: StatusCode::CREATED, location: Some(self_href(base, resource)), ..item(base, resource) }
}

/// 204.
pub fn no_content() -> Answer {
    Answer { status: StatusCode::NO_CONTENT, location: None, etag: None, body: None }
}

/// One page of a collection.
#[derive(Debug)]
pub struct Page<R> {
    /// What stands on it.
    pub items: Vec<R>,
    /// How many there are on all pages.
    pub total: i64,
}

impl<R> Page<R> {
    /// The same page of something else.
    pub fn map<T>(self, f: impl FnMut(R) -> T) -> Page<T> {
        Page { items: self.items.into_iter().map(f).collect(), total: self.total }
    }
}

/// 200 with a page of a collection and the links to its neighbours.
pub fn collection<R: Resource>(base: &Base, uri: &Uri, paging: &Paging, page: &Page<R>) -> Answer {
    let total_pages = page.total.div_euclid(paging.size) + i64::from(page.total % paging.size != 0);
    let href = |number: i64| json!({"href": base.href(&paging.query_of(uri, number))});
    let mut links = Map::new();
    if total_pages > 1 {
        links.insert("first".to_owned(), href(0));
        if paging.number > 0 {
            links.insert("prev".to_owned(), href((paging.number - 1).min(total_pages - 1)));
        }
    }
    let own = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    links.insert("self".to_owned(), json!({"href": base.href(own)}));
    if total_pages > 1 {
        if paging.number < total_pages - 1 {
            links.insert("next".to_owned(), href(paging.number + 1));
        }
        links.insert("last".to_owned(), href(total_pages - 1));
    }
    let items: Vec<_> = page.items.iter().map(|item| linked(base, item)).collect();
    let document = CollectionBody {
        embedded: [(R::COLLECTION, items)].into_iter().collect(),
        links,
        page: PageBody { size: paging.size, total_elements: page.total, total_pages, number: paging.number },
    };
    Answer { status: StatusCode::OK, location: None, etag: None, body: Some(body(&document)) }
}

#[derive(Serialize)]
struct CollectionBody<'a, R: Serialize> {
    #[serde(rename = "_embedded")]
    embedded: std::collections::BTreeMap<&'static str, Vec<Linked<'a, R>>>,
    #[serde(rename = "_links")]
    links: Map<String, Value>,
    page: PageBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageBody {
    size: i64,
    total_elements: i64,
    total_pages: i64,
    number: i64,
}

#[cfg(test)]
mod tests;
