//! Words that people wait for in new posts.

use crate::{domain::alert::Alert, store::alerts};
use axum::{extract::State, http::StatusCode};
use chassis::{
    app::App,
    caller::Caller,
    hal::{self, Resource},
    idempotency::{Answer, Command, CommandBody},
    problem::Problem,
    query::{Filter, ItemId, Listing, Paging, Params},
    wire::{Faults, Line, UserId},
};
use deserr::Deserr;
use serde::Serialize;
use shared_events::WireDate;
use utoipa::{IntoParams, ToSchema};

/// An alert, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alert)]
pub struct AlertBody {
    alert_id: i64,
    /// Who is told.
    user_id: String,
    keyword: String,
    #[schema(value_type = String, format = DateTime)]
    create_dt: WireDate,
}

impl From<Alert> for AlertBody {
    fn from(alert: Alert) -> Self {
        let Alert { alert_id, user_id, keyword, create_dt } = alert;
        Self { alert_id, user_id, keyword, create_dt: create_dt.into() }
    }
}

impl Resource for AlertBody {
    const NAME: &'static str = "alert";
    const COLLECTION: &'static str = "alerts";
    fn id(&self) -> i64 {
        self.alert_id
    }
    fn version(&self) -> Option<i64> {
        Some(VERSION)
    }
}

/// An alert never changes.
const VERSION: i64 = 1;

/// An alert to be made.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = camelCase)]
#[schema(rename_all = "camelCase")]
pub struct NewAlert {
    /// Who is to be told.
    #[deserr(default)]
    user_id: Option<UserId>,
    keyword: Line<100>,
}

impl CommandBody for NewAlert {
    const NAMES_ACTOR: bool = true;
}

/// Who acts, where somebody says so.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Acting {
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
}

impl CommandBody for Acting {}

/// What a list of alerts can be narrowed to.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, rename_all = camelCase)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct AlertFilter {
    /// Who is told.
    #[param(value_type = Option<String>)]
    #[deserr(default)]
    user_id: Option<UserId>,
}

impl Filter for AlertFilter {
    const SORTABLE: &'static [(&'static str, &'static str)] =
        &[("alertId", "alert_id"), ("userId", "user_id"), ("keyword", "keyword"), ("createDt", "create_dt")];
    const DEFAULT_ORDER: &'static str = "create_dt desc, alert_id desc";
}

/// Ask to be told of new posts with a word in their goods. Asking again answers the alert that is there, 200.
#[utoipa::path(post, path = "/alerts", request_body = NewAlert,
    responses((status = 201, body = AlertBody), (status = 200, body = AlertBody)))]
pub async fn make(State(app): State<App>, command: Command<NewAlert>) -> Result<Answer, Problem> {
    let user_id = command.author(command.body.user_id.as_ref())?;
    let mut tx = app.begin(&command).await?;
    // To the millisecond, as events are: a post of the same one counts as later.
    let now = WireDate::now().into();
    let kept = alerts::keep(&mut tx, &user_id, &command.body.keyword.0, now).await?;
    let created = hal::created(&command.caller.base, &AlertBody::from(kept.alert));
    tx.answer(if kept.made { created } else { Answer { status: StatusCode::OK, ..created } }).await
}

/// List alerts, newest first.
#[utoipa::path(get, path = "/alerts", params(AlertFilter, Paging),
    responses((status = 200, body = [AlertBody])))]
pub async fn list(State(app): State<App>, listing: Listing<AlertFilter>) -> Result<Answer, Problem> {
    let user_id = listing.caller.actor.whose(listing.filter.user_id.as_ref())?;
    let page = alerts::list(&app.db, user_id, &listing.paging).await?;
    Ok(listing.answer(&page.map(AlertBody::from)))
}

/// Read an alert.
#[utoipa::path(get, path = "/alerts/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = AlertBody)))]
pub async fn read(
    State(app): State<App>,
    ItemId(alert_id): ItemId,
    caller: Caller,
) -> Result<Answer, Problem> {
    let alert = alerts::read(&app.db, alert_id).await?;
    let alert = alert.filter(|alert| caller.actor.sees([&alert.user_id])).ok_or_else(unknown)?;
    Ok(hal::item(&caller.base, &AlertBody::from(alert)))
}

/// Be told no more.
#[utoipa::path(delete, path = "/alerts/{id}", params(("id" = i64, Path), Acting),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    ItemId(alert_id): ItemId,
    Params(asking): Params<Acting>,
    command: Command<Acting>,
) -> Result<Answer, Problem> {
    let claimed = command.body.user_id.as_ref().or(asking.user_id.as_ref());
    let actor = command.caller.actor.acting(claimed)?;
    let mut tx = app.begin(&command).await?;
    let alert = alerts::lock(&mut tx, alert_id).await?;
    let alert = alert.filter(|alert| command.caller.actor.sees([&alert.user_id])).ok_or_else(unknown)?;
    command.expects(VERSION)?;
    alert.remove(actor.as_deref())?;
    alerts::delete(&mut tx, alert_id).await?;
    tx.answer(hal::no_content()).await
}

fn unknown() -> Problem {
    Problem::not_found("alert")
}
