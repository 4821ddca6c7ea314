//! Lists: the query string's filters, paging and sorting, and the SQL they become.

use crate::{
    auth::Verifier,
    caller::{Caller, Visitor},
    hal::{self, Page, Resource},
    idempotency::Answer,
    problem::Problem,
    wire::{self, Faults, Id, Natural, Scalar, Wrong},
};
use axum::{
    extract::{FromRef, FromRequestParts, Path, Query},
    http::{Uri, request::Parts},
};
use deserr::Deserr;
use serde_json::{Map, Value};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, postgres::PgRow};
use utoipa::IntoParams;

/// The id in a path: `/posts/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemId(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for ItemId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::malformed("The id in the path is not UTF-8."));
        };
        match Id::from_text(&id) {
            Ok(Id(id)) => Ok(Self(id)),
            Err(Wrong::Malformed(_)) => Err(Problem::malformed("The id in the path must be a number.")),
            // A number that no id can have.
            Err(Wrong::Unacceptable(_)) => Err(Problem::not_found("thing")),
        }
    }
}

/// The filters of a collection: a struct whose fields are query parameters.
pub trait Filter: Deserr<Faults> {
    /// The fields a client may sort by, with the column each is kept in.
    const SORTABLE: &'static [(&'static str, &'static str)];
    /// The order when the client asks for none.
    const DEFAULT_ORDER: &'static str;
    /// The list is there for whoever comes; otherwise it is for people with a token.
    const PUBLIC: bool = false;
}

/// How Spring pages.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The page, from 0.
    #[param(rename = "page", required = false, minimum = 0)]
    pub number: i64,
    /// Items a page; above 1000 it is 1000.
    #[param(required = false, minimum = 0)]
    pub size: i64,
    /// `field,asc` or `field,desc`; may be repeated.
    #[param(rename = "sort", value_type = Option<Vec<String>>)]
    order: String,
}

#[derive(Deserr)]
#[deserr(error = Faults)]
struct PageParams {
    #[deserr(default)]
    page: Option<Natural>,
    #[deserr(default)]
    size: Option<Natural>,
}

impl Paging {
    const DEFAULT_SIZE: i64 = 20;
    const MAX_SIZE: i64 = 1000;

    #[cfg(test)]
    pub(crate) fn of(number: i64, size: i64) -> Self {
        Self { number, size, order: String::new() }
    }

    fn read<F: Filter>(fields: &Map<String, Value>, sorts: &[String]) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let params = faults.keep(wire::read::<PageParams>(fields.clone()));
        let mut order = Vec::new();
        for sort in sorts.iter().filter(|sort| !sort.is_empty()) {
            match order_by(sort, F::SORTABLE) {
                Ok(by) => order.push(by),
                Err(wrong) => faults.push("sort", wrong),
            }
        }
        // Also behind the client's own order, so that equal rows do not wander between pages.
        order.push(F::DEFAULT_ORDER.to_owned());
        faults.or_ok()?;
        let params = params.unwrap_or(PageParams { page: None, size: None });
        Ok(Self {
            number: params.page.map_or(0, |page| page.0),
            // A size of 0 is Spring's default, as Spring has it.
            size: match params.size {
                None | Some(Natural(0)) => Self::DEFAULT_SIZE,
                Some(Natural(size)) => size.min(Self::MAX_SIZE),
            },
            order: order.join(", "),
        })
    }

    /// The same list, another page.
    pub(crate) fn query_of(&self, uri: &Uri, number: i64) -> String {
        let rest = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("page=") && !pair.starts_with("size="));
        let query: Vec<_> = rest
            .map(str::to_owned)
            .chain([format!("page={number}"), format!("size={}", self.size)])
            .collect();
        format!("{}?{}", uri.path(), query.join("&"))
    }
}

fn order_by(sort: &str, sortable: &[(&str, &str)]) -> Result<String, Wrong> {
    let (field, direction) = sort.split_once(',').unwrap_or((sort, "asc"));
    let direction = match direction.to_ascii_lowercase().as_str() {
        "asc" | "" => "asc",
        "desc" => "desc",
        _ => return Err(Wrong::Malformed("must be field,asc or field,desc".to_owned())),
    };
    match sortable.iter().find(|(name, _)| *name == field) {
        Some((_, column)) => Ok(format!("{column} {direction}")),
        None => {
            let names: Vec<_> = sortable.iter().map(|(name, _)| *name).collect();
            Err(Wrong::Malformed(format!("must be one of {}", names.join(" "))))
        }
    }
}

/// A request for a list.
pub struct Listing<F> {
    /// Who asks.
    pub caller: Caller,
    /// What is asked for.
    pub filter: F,
    /// Which page of it.
    pub paging: Paging,
    uri: Uri,
}

impl<F> Listing<F> {
    /// 200 with the page that was asked for.
    pub fn answer<R: Resource>(&self, page: &Page<R>) -> Answer {
        hal::collection(&self.caller.base, &self.uri, &self.paging, page)
    }
}

impl<F: Filter, S: Send + Sync> FromRequestParts<S> for Listing<F>
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = if F::PUBLIC {
            Visitor::from_request_parts(parts, state).await?.0
        } else {
            Caller::from_request_parts(parts, state).await?
        };
        let mut faults = Faults::default();
        let (fields, sorts) = parameters(&parts.uri, &mut faults)?;
        let paging = faults.keep(Paging::read::<F>(&fields, &sorts));
        let filter = faults.keep(wire::read::<F>(fields));
        match (paging, filter) {
            (Some(paging), Some(filter)) if faults.is_empty() => {
                Ok(Self { caller, filter, paging, uri: parts.uri.clone() })
            }
            // Whatever is wrong with an address is the address's fault: 400, not 422.
            _ => Err(faults.malformed().into()),
        }
    }
}

/// The query string of a request that is not for a list.
pub struct Params<T>(pub T);

impl<T: Deserr<Faults>, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let (fields, _) = parameters(&parts.uri, &mut faults)?;
        match faults.keep(wire::read(fields)) {
            Some(params) if faults.is_empty() => Ok(Self(params)),
            _ => Err(faults.malformed().into()),
        }
    }
}

/// The parameters by name, and the values of `sort`, which alone may be repeated.
fn parameters(uri: &Uri, faults: &mut Faults) -> Result<(Map<String, Value>, Vec<String>), Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::malformed(error.body_text()))?;
    let (mut fields, mut sorts) = (Map::new(), Vec::new());
    for (name, text) in pairs {
        if text.chars().any(char::is_control) {
            faults.push(name, Wrong::Malformed("must not contain control characters".to_owned()));
        } else if name == "sort" {
            sorts.push(text);
        } else if !text.is_empty() {
            // An empty parameter is a form's field left empty: no filter.
            fields.insert(name, Value::String(text));
        }
    }
    Ok((fields, sorts))
}

/// `select … where …`, built one condition at a time.
pub struct Select {
    count: QueryBuilder<Postgres>,
    rows: QueryBuilder<Postgres>,
}

impl Select {
    /// All of a table or view.
    pub fn from(table: &'static str) -> Self {
        Self {
            count: QueryBuilder::new(format!("select count(*) from {table} where true")),
            rows: QueryBuilder::new(format!("select * from {table} where true")),
        }
    }

    /// Adds `and <condition>` with the value in the place of its `?`, when there is a value.
    #[must_use]
    pub fn and<T>(mut self, condition: &'static str, value: Option<T>) -> Self
    where
        T: Clone + Send + for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + 'static,
    {
        if let Some(value) = value {
            let (before, after) = condition.split_once('?').unwrap_or((condition, ""));
            for query in [&mut self.count, &mut self.rows] {
                query.push(" and ").push(before).push_bind(value.clone()).push(after);
            }
        }
        self
    }

    /// One page of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn page<R>(mut self, db: &PgPool, paging: &Paging) -> Result<Page<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let total = self.count.build_query_scalar().fetch_one(db).await?;
        self.rows.push(" order by ").push(&paging.order);
        self.rows.push(" limit ").push_bind(paging.size);
        self.rows.push(" offset ").push_bind(paging.number.saturating_mul(paging.size));
        let items = self.rows.build_query_as().fetch_all(db).await?;
        Ok(Page { items, total })
    }
}

/// A pattern for `ilike` that finds `text` anywhere, whatever characters are in it.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests;
