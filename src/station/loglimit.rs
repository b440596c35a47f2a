//! Keeps anything that repeats from filling the station's log: of each kind of line, for each bay, so many a minute are
//! written; the others are counted and reported. It stands before the writer, so no line passes it by.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

/// Lines of one kind and one bay in a [`WHILE`].
const LINES: u64 = 60;
const WHILE: Duration = Duration::from_mins(1);
/// The most pairs of kind and bay that are counted separately; all others share one count.
const KINDS_MAX: usize = 4096;
/// The longest quotation of a line in the line that reports it as left out.
const WORDS_MAX: usize = 120;
/// The target of the lines that report what was left out. They are bounded by the kinds that they report.
const OWN: &str = "camdock::left_out";

#[derive(PartialEq, Eq, Hash)]
struct LineKind {
    kind: Option<Identifier>,
    bay: Option<Arc<str>>,
}

struct Kind {
    words: String,
    code: Option<String>,
    since: Instant,
    seen: u64,
}

/// The number of lines of one kind that were left out.
struct LinesLeftOut {
    words: String,
    code: Option<String>,
    bay: Option<Arc<str>>,
    lines: u64,
}

/// A filter for whichever layer writes the log. Copies share their counts.
#[derive(Clone, Default)]
pub struct LogLimit(Arc<Mutex<HashMap<LineKind, Kind>>>);

static INSTALLED: OnceLock<LogLimit> = OnceLock::new();

/// The one of this process.
pub fn installed() -> LogLimit {
    INSTALLED.get_or_init(LogLimit::default).clone()
}

/// Reports what was left out in each period that has passed; with `all`, in the current one, too. Cheap: call it often.
pub fn report_left_out(all: bool) {
    if let Some(limit) = INSTALLED.get() {
        for left_out in limit.left_out(Instant::now(), all) {
            tracing::warn!(
                target: OWN,
                code = "log_lines_left_out",
                bay = left_out.bay.as_deref(),
                lines = left_out.lines,
                of = left_out.words,
                of_code = left_out.code,
                next_step = "the custody log has every file; look at the camera or the cause that these lines name",
                "lines of one kind came too often and were left out"
            );
        }
    }
}

impl LogLimit {
    fn lock(&self) -> MutexGuard<'_, HashMap<LineKind, Kind>> {
        self.0.lock()
    }

    fn admits(
        &self,
        kind: Identifier,
        fields: LineFields,
        bay: Option<Arc<str>>,
        now: Instant,
    ) -> bool {
        let mut kinds = self.lock();
        let mut key = LineKind {
            kind: Some(kind),
            bay,
        };
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&key) {
            kinds.retain(|_, k| k.seen > LINES || now.saturating_duration_since(k.since) < WHILE);
            if kinds.len() >= KINDS_MAX {
                key = LineKind {
                    kind: None,
                    bay: None,
                };
            }
        }
        let kind = kinds.entry(key).or_insert_with(|| Kind {
            words: fields.words,
            code: fields.code,
            since: now,
            seen: 0,
        });
        // Lines that have not been reported yet are still counted; the report begins the next period.
        if kind.seen <= LINES && now.saturating_duration_since(kind.since) >= WHILE {
            (kind.since, kind.seen) = (now, 0);
        }
        kind.seen += 1;
        kind.seen <= LINES
    }

    fn left_out(&self, now: Instant, all: bool) -> Vec<LinesLeftOut> {
        let mut left_out = Vec::new();
        for (key, kind) in self.lock().iter_mut() {
            let over = all || now.saturating_duration_since(kind.since) >= WHILE;
            if over && kind.seen > LINES {
                left_out.push(LinesLeftOut {
                    words: kind.words.clone(),
                    code: kind.code.clone(),
                    bay: key.bay.clone(),
                    lines: kind.seen - LINES,
                });
                (kind.since, kind.seen) = (now, 0);
            }
        }
        left_out
    }
}

/// The fields that matter here.
#[derive(Default)]
struct LineFields {
    words: String,
    code: Option<String>,
    bay: Option<String>,
}

impl Visit for LineFields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => {
                let _ = write!(self.words, "{value:?}");
                self.words = self.words.chars().take(WORDS_MAX).collect();
            }
            "bay" => self.bay = Some(format!("{value:?}")),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "code" => self.code = Some(value.to_owned()),
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }
}

/// The bay of a span, for all that is said within it.
struct BayOf(Arc<str>);

impl<S> Filter<S> for LogLimit
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // A level beyond the usual one is a request for all lines.
        if *metadata.level() > Level::INFO || metadata.target() == OWN {
            return true;
        }
        let mut fields = LineFields::default();
        event.record(&mut fields);
        let bay = fields.bay.take().map(Arc::from).or_else(|| {
            context.event_scope(event)?.find_map(|span| {
                let extensions = span.extensions();
                extensions.get::<BayOf>().map(|bay| Arc::clone(&bay.0))
            })
        });
        self.admits(metadata.callsite(), fields, bay, Instant::now())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = LineFields::default();
        attributes.record(&mut fields);
        if let (Some(bay), Some(span)) = (fields.bay, context.span(id)) {
            span.extensions_mut().replace(BayOf(bay.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Layer as _, Registry, fmt};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self, with: &str) -> u64 {
            let text = String::from_utf8(self.0.lock().clone()).unwrap();
            text.lines().filter(|line| line.contains(with)).count() as u64
        }
    }

    #[test]
    fn one_bay_that_floods_is_cut_short_and_the_others_are_heard() {
        let (limit, written) = (LogLimit::default(), Written::default());
        let writer = written.clone();
        let layer = fmt::layer().with_writer(move || writer.clone());
        let subscriber = Registry::default().with(layer.with_filter(limit.clone()));
        let many = LINES * 50;
        tracing::subscriber::with_default(subscriber, || {
            let session = |bay: &str, lines| {
                let span = tracing::info_span!("dock session", %bay);
                let _entered = span.enter();
                for file in 0..lines {
                    let _inner = tracing::info_span!("item", file).entered();
                    tracing::warn!(code = "is_a_link", file, "not taken");
                }
            };
            session("left", many);
            session("right", 3);
            for _ in 0..many {
                tracing::info!(bay = "left", "camera arrived");
                tracing::debug!("asked for");
            }
        });
        assert_eq!(written.lines("not taken"), LINES + 3);
        assert_eq!(written.lines("camera arrived"), LINES);
        assert_eq!(
            written.lines("asked for"),
            many,
            "only who asks for it gets it"
        );
        assert!(limit.left_out(Instant::now(), false).is_empty(), "not yet");
        let mut reported = limit.left_out(Instant::now(), true);
        reported.sort_by(|a, b| a.words.cmp(&b.words));
        let reported: Vec<_> = reported
            .iter()
            .map(|t| (&*t.words, t.code.as_deref(), t.bay.as_deref(), t.lines))
            .collect();
        let left = many - LINES;
        assert_eq!(
            reported,
            [
                ("camera arrived", None, Some("left"), left),
                ("not taken", Some("is_a_link"), Some("left"), left)
            ]
        );
        assert!(
            limit.left_out(Instant::now(), true).is_empty(),
            "reported once"
        );
    }

    #[test]
    fn lines_are_heard_again_in_the_next_while() {
        let limit = LogLimit::default();
        let start = Instant::now();
        struct Here;
        impl tracing::callsite::Callsite for Here {
            fn set_interest(&self, _: tracing::subscriber::Interest) {}
            fn metadata(&self) -> &Metadata<'_> {
                unreachable!("never registered")
            }
        }
        static HERE: Here = Here;
        let admits = |at| limit.admits(Identifier(&HERE), LineFields::default(), None, at);
        let count = |at, tries| (0..tries).filter(|_| admits(at)).count() as u64;
        assert_eq!(count(start, 1000), LINES);
        let later = start + WHILE;
        assert_eq!(limit.left_out(later, false)[0].lines, 1000 - LINES);
        assert_eq!(count(later, LINES), LINES);
        assert_eq!(count(later + WHILE, LINES), LINES);
        assert!(limit.left_out(later + WHILE * 2, false).is_empty());
        for bay in 0..2 * KINDS_MAX {
            let bay = Some(bay.to_string().into());
            limit.admits(Identifier(&HERE), LineFields::default(), bay, start);
        }
        assert!(limit.lock().len() <= KINDS_MAX + 1);
    }
}
