use super::*;
use proptest::prelude::*;
use serde_json::json;
use shared_events::OfferType;

#[derive(Debug, PartialEq, Deserr)]
#[deserr(error = Faults, rename_all = camelCase)]
struct Sample {
    #[deserr(default)]
    won: Option<Won>,
    #[deserr(default)]
    id: Option<Id>,
    #[deserr(default)]
    qty: Option<Qty>,
    #[deserr(default)]
    natural: Option<Natural>,
    #[deserr(default)]
    user_id: Option<UserId>,
    #[deserr(default)]
    date: Option<Date>,
    #[deserr(default)]
    flag: Option<Flag>,
    #[deserr(default)]
    line: Option<Line<10>>,
    #[deserr(default)]
    prose: Option<Prose<10>>,
    #[deserr(default)]
    word: Option<Word<OfferType>>,
    #[deserr(default)]
    change: Change<Line<10>>,
    #[deserr(default)]
    replace: Replace<Won>,
}

const FIELDS: [&str; 12] =
    ["won", "id", "qty", "natural", "userId", "date", "flag", "line", "prose", "word", "change", "replace"];

fn sample(body: Json) -> Result<Sample, Faults> {
    let Json::Object(fields) = body else { panic!("not an object") };
    read(fields)
}

fn field<T>(name: &str, value: &Json, of: impl FnOnce(Sample) -> Option<T>) -> Result<T, Wrong> {
    match sample(json!({name: value})) {
        Ok(sample) => Ok(of(sample).expect("it was in the body")),
        Err(Faults(mut faults)) => {
            assert_eq!(faults.len(), 1);
            let (named, wrong) = faults.remove(0);
            assert_eq!(named, name);
            Err(wrong)
        }
    }
}

fn malformed(message: &str) -> Wrong {
    Wrong::Malformed(message.to_owned())
}

fn unacceptable(message: &str) -> Wrong {
    Wrong::Unacceptable(message.to_owned())
}

#[test]
fn numbers_may_arrive_as_strings_and_must_be_whole_and_in_range() {
    for (sent, read) in [
        (json!(600_000), Ok(600_000)),
        (json!("600000"), Ok(600_000)),
        (json!(" 600000 "), Ok(600_000)),
        (json!(6e5), Ok(600_000)),
        (json!(-0.0), Ok(0)),
        (json!(MAX_WON), Ok(MAX_WON)),
        (json!(MAX_WON + 1), Err(unacceptable("must be between 0 and 1000000000000"))),
        (json!(-1), Err(unacceptable("must be between 0 and 1000000000000"))),
        (json!(u64::MAX), Err(unacceptable("must be between 0 and 1000000000000"))),
        (json!(1.5), Err(unacceptable("must be a whole number"))),
        (json!("1.5"), Err(unacceptable("must be a whole number"))),
        (json!("price"), Err(malformed("must be a number"))),
        (json!("inf"), Err(malformed("must be a number"))),
        (json!(""), Err(malformed("must be a number"))),
        (json!("六"), Err(malformed("must be a number"))),
        (json!(true), Err(malformed("must be a number"))),
        (json!([1]), Err(malformed("must be a single value"))),
        (json!({"won": 1}), Err(malformed("must be a single value"))),
    ] {
        assert_eq!(field("won", &sent, |sample| sample.won).map(|won| won.0), read, "{sent}");
    }
    let bounds = |name: &str, value: i64| sample(json!({name: value})).is_ok();
    for (name, least, most) in [("id", 1, i64::MAX), ("qty", 1, 1_000_000), ("natural", 0, i64::MAX)] {
        assert!(bounds(name, least) && bounds(name, most) && !bounds(name, least - 1), "{name}");
        assert!(most == i64::MAX || !bounds(name, most + 1), "{name}");
    }
}

#[test]
fn text_is_trimmed_counted_in_characters_and_without_control_characters() {
    for (sent, line, prose) in [
        ("책상", Ok("책상"), Ok("책상")),
        (" \t책상\n", Ok("책상"), Ok("책상")),
        ("가나다라마바사아자차", Ok("가나다라마바사아자차"), Ok("가나다라마바사아자차")),
        ("👨‍👩‍👧", Ok("👨‍👩‍👧"), Ok("👨‍👩‍👧")),
        ("", Err("must not be blank"), Err("must not be blank")),
        (" \u{3000}\r\n", Err("must not be blank"), Err("must not be blank")),
        (
            "12345678901",
            Err("must not be longer than 10 characters"),
            Err("must not be longer than 10 characters"),
        ),
        ("a\nb\tc", Err("must not contain control characters"), Ok("a\nb\tc")),
        ("a\u{0}b", Err("must not contain control characters"), Err("must not contain control characters")),
        ("a\u{7f}b", Err("must not contain control characters"), Err("must not contain control characters")),
        ("a\u{85}b", Err("must not contain control characters"), Err("must not contain control characters")),
    ] {
        let expected = |read: Result<&str, &str>| read.map(str::to_owned).map_err(unacceptable);
        assert_eq!(
            field("line", &json!(sent), |sample| sample.line).map(|line| line.0),
            expected(line),
            "{sent:?}"
        );
        assert_eq!(
            field("prose", &json!(sent), |sample| sample.prose).map(|p| p.0),
            expected(prose),
            "{sent:?}"
        );
    }
    assert_eq!(field("line", &json!(1), |sample| sample.line), Err(malformed("must be a string")));
    assert_eq!(field("userId", &json!(7), |sample| sample.user_id), Ok(UserId("7".to_owned())));
}

#[test]
fn flags_and_words_are_what_they_say() {
    for name in ["line", "prose", "userId", "date", "word", "won"] {
        assert!(matches!(sample(json!({name: true})), Err(Faults(faults)) if faults.len() == 1), "{name}");
    }
    for (sent, read) in [(json!(true), true), (json!("true"), true), (json!(" false "), false)] {
        assert_eq!(field("flag", &sent, |sample| sample.flag), Ok(Flag(read)));
    }
    assert_eq!(field("flag", &json!("yes"), |sample| sample.flag), Err(malformed("must be true or false")));
    let word = |sent: Json| field("word", &sent, |sample| sample.word).map(|word| word.0);
    assert_eq!(word(json!("priceNegotiated")), Ok(OfferType::PriceNegotiated));
    for sent in ["x", "", "PriceNegotiated", "priceNegotiated\0"] {
        assert_eq!(word(json!(sent)), Err(malformed("must be one of dealOffered priceNegotiated")), "{sent}");
    }
    assert_eq!(word(json!(1)), Err(malformed("must be a string")));
}

#[test]
fn a_patch_tells_absent_from_null() {
    let read = |body| sample(body).map(|sample| (sample.change, sample.replace));
    let line = |text: &str| Line(text.to_owned());
    assert_eq!(read(json!({})).unwrap(), (Change::Keep, Replace(None)));
    assert_eq!(read(json!({"change": null})).unwrap(), (Change::Clear, Replace(None)));
    assert_eq!(
        read(json!({"change": "a", "replace": 1})).unwrap(),
        (Change::Set(line("a")), Replace(Some(Won(1))))
    );
    let Err(Faults(faults)) = read(json!({"replace": null})) else { panic!("it was taken") };
    assert_eq!(faults, [("replace".to_owned(), malformed("is required"))]);

    let mut field = Some("old".to_owned());
    Change::Keep.apply(&mut field, |line: Line<10>| line.0);
    assert_eq!(field.as_deref(), Some("old"));
    Change::Set(line("new")).apply(&mut field, |line| line.0);
    assert_eq!(field.as_deref(), Some("new"));
    Change::Clear.apply(&mut field, |line: Line<10>| line.0);
    assert_eq!(field, None);
}

#[test]
fn one_malformed_field_makes_a_body_malformed() {
    for (body, status) in [
        (json!({"won": -1}), 422),
        (json!({"won": -1, "line": ""}), 422),
        (json!({"won": -1, "line": "", "flag": "x"}), 400),
    ] {
        assert_eq!(Problem::from(sample(body.clone()).unwrap_err()).status(), status, "{body}");
    }
    let all = sample(json!({"won": -1, "line": ""})).unwrap_err().malformed();
    assert_eq!(Problem::from(all).status(), 400);
}

#[test]
fn what_is_repeated_must_agree() {
    assert!(agree(&[("price", true), ("qty", true)]).is_ok());
    let problem = agree(&[("price", false), ("qty", true), ("goods", false)]).unwrap_err();
    assert_eq!((problem.status(), problem.code()), (StatusCode::CONFLICT, "fields-disagree"));
    assert!(same(None, &1) && same(Some(1), &1) && !same(Some(2), &1));
}

/// Any JSON, with a liking for what is nearly right.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        prop::sample::select(&[0, 1, -1, 1_000_000, 1_000_001, MAX_WON, MAX_WON + 1, i64::MAX][..])
            .prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[ 0-9eE.+-]{0,40}".prop_map(Json::from),
        "[0-9]{1,6}-[0-9]{2}-[0-9]{2}(T[0-9:.Z+-]{0,20})?".prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((prop::sample::select(&FIELDS[..]), inner), 0..4).prop_map(|fields| {
                Json::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

/// What was taken, as an answer would say it.
fn said(taken: &Sample) -> Json {
    let mut said = json!({
        "won": taken.won.map(|won| won.0),
        "id": taken.id.map(|id| id.0),
        "qty": taken.qty.map(|qty| qty.0),
        "natural": taken.natural.map(|natural| natural.0),
        "userId": taken.user_id.as_ref().map(|user| &user.0),
        "date": taken.date.map(|date| date.0.to_string()),
        "flag": taken.flag.map(|flag| flag.0),
        "line": taken.line.as_ref().map(|line| &line.0),
        "prose": taken.prose.as_ref().map(|prose| &prose.0),
        "word": taken.word.map(|word| word.0.as_str()),
    });
    match &taken.change {
        Change::Keep => {}
        Change::Clear => said["change"] = Json::Null,
        Change::Set(line) => said["change"] = json!(line.0),
    }
    if let Replace(Some(won)) = taken.replace {
        said["replace"] = json!(won.0);
    }
    said
}

fn within_bounds(taken: &Sample) -> Result<(), TestCaseError> {
    prop_assert!(taken.won.is_none_or(|won| (0..=MAX_WON).contains(&won.0)));
    prop_assert!(taken.id.is_none_or(|id| id.0 >= 1));
    prop_assert!(taken.qty.is_none_or(|qty| (1..=1_000_000).contains(&qty.0)));
    prop_assert!(taken.natural.is_none_or(|natural| natural.0 >= 0));
    let line = |text: &str, max| {
        text.trim() == text && (1..=max).contains(&text.chars().count()) && !text.contains(char::is_control)
    };
    prop_assert!(taken.user_id.as_ref().is_none_or(|user| line(&user.0, 64)));
    prop_assert!(taken.line.as_ref().is_none_or(|taken| line(&taken.0, 10)));
    prop_assert!(
        taken.prose.as_ref().is_none_or(|prose| line(&prose.0.replace(['\n', '\r', '\t'], "."), 10))
    );
    Ok(())
}

proptest! {
    #[test]
    fn any_body_is_taken_within_bounds_and_for_good_or_every_fault_named(
        body in prop::collection::hash_map(prop::sample::select(&FIELDS[..]), any_json(), 0..12)
    ) {
        let fields: Map<_, _> = body.clone().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        match read::<Sample>(fields) {
            Ok(taken) => {
                within_bounds(&taken)?;
                prop_assert_eq!(sample(said(&taken)).map_err(|faults| faults.0), Ok(taken));
            }
            Err(Faults(faults)) => {
                prop_assert!(!faults.is_empty());
                for (name, _) in &faults {
                    prop_assert!(body.contains_key(name.as_str()), "{name}");
                }
                prop_assert!(Problem::from(Faults(faults)).status().is_client_error());
            }
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_sent(number: i64) {
        for name in ["won", "id", "qty", "natural"] {
            let read = |value: Json| sample(json!({name: value})).map_err(|faults| faults.0);
            let forms = [read(json!(number)), read(json!(number.to_string())), read(json!(format!("\t{number} ")))];
            prop_assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "{forms:?}");
        }
    }
}
