//! Logins that cameras refused: each is tried again by minutes only.
//!
//! Makers lock an address, or a user, after some wrong logins: Hikvision after 5, or 7 of its
//! administrator's; TVT after 6; for about half an hour. What is known is shared by the streams of a
//! camera and kept in a file, so that a restart, or `check` beside `run`, does not begin anew.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::error::CaptureError;
use super::rtsp::url::Url;
use super::source::StreamLogin;
use crate::adapters::clock::SharedClock;
use crate::adapters::{files, random};

/// The file's name in the state folder.
const FILE: &str = "camera-logins.json";
/// How long the daemon waits after the first refusal, after the second, and so on: at most three
/// wrong logins in any half hour, and ever fewer.
const WAITS: [Duration; 4] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
];
/// The first wait when the camera took this login before: some say so too when they have no stream
/// left to give, or not this one.
const WAIT_OF_A_RIGHT_ONE: Duration = Duration::from_secs(60);
/// Makers count wrong logins, and lock, for about so long.
const COUNTED: Duration = Duration::from_secs(30 * 60);
/// Most wrong logins at one camera within that time, whoever tries and with whatever password; and
/// of one login, when a person asks for each.
const AT_ONE_CAMERA_MAX: usize = 4;
const BY_A_PERSON_MAX: usize = 3;
/// A refusal is forgotten after a day.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Most refusals that are remembered, of one login and in all.
const TIMES_MAX: usize = 8;
const LOGINS_MAX: usize = 64;
/// Longest wait for another stream that tries the same login.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// Who tries a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trying {
    /// Again and again, by itself.
    Daemon,
    /// Once, because a person asked for it.
    Person,
}

/// What is known of refused logins.
#[derive(Debug)]
pub struct CameraLogins {
    file: Option<PathBuf>,
    who: Trying,
    clock: SharedClock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    /// Being tried now, by the number of the attempt.
    trying: HashMap<u64, Key>,
    attempts: u64,
    /// Taken by the camera since this began, and not refused since.
    right: HashSet<Key>,
    /// Refused since this began.
    wrong: HashSet<Key>,
}

/// As the file has it. A login is a digest under the file's own random key: it says nothing that the
/// password file beside it does not.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    key: String,
    refused: Vec<RefusedLogin>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RefusedLogin {
    #[serde(flatten)]
    key: Key,
    at_unix_us: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Key {
    /// Host and port.
    camera: String,
    login: String,
    /// For one stream alone, when the camera took the login for another, or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
}

impl CameraLogins {
    /// Reads what the folder's file knows; without a folder nothing is kept.
    #[must_use]
    pub fn open(folder: Option<&Path>, who: Trying, clock: SharedClock) -> Arc<Self> {
        let logins = Self {
            file: folder.map(|folder| folder.join(FILE)),
            who,
            clock,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        match who {
            // The file's key is made before anybody else makes another.
            Trying::Daemon => logins.note(|_, _| {}),
            Trying::Person => logins.read(&mut logins.state()),
        }
        Arc::new(logins)
    }

    /// Waits for its turn, when another stream tries the same login at the same camera. Streams of
    /// a login that is right go together, but no more than the camera would refuse without locking.
    ///
    /// # Errors
    /// [`CaptureError::LoginWithheld`] when it was refused too lately, [`CaptureError::NoAnswer`]
    /// when those before it got none.
    pub(super) fn begin(
        self: &Arc<Self>,
        url: &Url,
        login: Option<&StreamLogin>,
    ) -> Result<Attempt, CaptureError> {
        let mut state = self.state();
        self.read(&mut state);
        let Some(login) = login else {
            return Ok(Attempt(None));
        };
        let key = Key {
            camera: url.place(),
            login: state.known.digest(login),
            stream: None,
        };
        let alone = key.alone(url);
        let waited = self.changed.wait_timeout_while(state, TURN_WAIT, |state| {
            state.is_tried(&key) || state.is_crowded(&key, self.clock.now())
        });
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let now = self.clock.now();
        let mut withheld = state.known.withheld(&key, self.who, now);
        withheld = withheld.max(state.known.withheld(&alone, self.who, now));
        if self.who == Trying::Person && state.wrong.contains(&key) {
            // The command tries it once, however many streams the camera has.
            withheld = withheld.or(Some(Duration::ZERO));
        }
        if let Some(again_in) = withheld {
            return Err(CaptureError::LoginWithheld { again_in });
        }
        if state.is_crowded(&key, now) {
            return Err(CaptureError::NoAnswer(TURN_WAIT));
        }
        state.attempts += 1;
        let number = state.attempts;
        state.trying.insert(number, key.clone());
        Ok(Attempt(Some(Trial {
            logins: Arc::clone(self),
            number,
            key,
            alone,
        })))
    }

    /// How long a login is not tried.
    pub(super) fn withheld(&self, url: &Url, login: &StreamLogin) -> Option<Duration> {
        let mut state = self.state();
        self.read(&mut state);
        let key = Key {
            camera: url.place(),
            login: state.known.digest(login),
            stream: None,
        };
        let now = self.clock.now();
        let alone = state.known.withheld(&key.alone(url), self.who, now);
        state.known.withheld(&key, self.who, now).max(alone)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What another process noted counts as well. A file that cannot be read says nothing.
    fn read(&self, state: &mut State) {
        let read = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
        let known = read.and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok());
        if let Some(known) = known.filter(|known| !known.key.is_empty()) {
            state.known = known;
        }
        if state.known.key.is_empty() {
            let fresh = random::bytes::<16>().unwrap_or_default();
            state.known.key = hex::encode(fresh);
        }
    }

    fn note(&self, change: impl FnOnce(&mut State, UtcTime)) {
        let mut state = self.state();
        self.read(&mut state);
        change(&mut state, self.clock.now());
        if let (Some(file), Ok(bytes)) = (&self.file, serde_json::to_vec(&state.known))
            && let Err(error) = files::replace(file, &bytes, 0o600)
        {
            tracing::debug!(path = %file.display(), %error, "refused logins are not kept");
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// One login being tried; none for a camera without one.
#[derive(Debug)]
pub(super) struct Attempt(Option<Trial>);

#[derive(Debug)]
struct Trial {
    logins: Arc<CameraLogins>,
    number: u64,
    key: Key,
    alone: Key,
}

impl State {
    /// Whether another stream finds out about this login just now.
    fn is_tried(&self, key: &Key) -> bool {
        !self.right.contains(key) && self.trying.values().any(|other| other == key)
    }

    /// Whether the attempts under way, were they all refused, are as many as a camera may refuse.
    fn is_crowded(&self, key: &Key, now: UtcTime) -> bool {
        let all = self.trying.values();
        let under_way = all.filter(|other| other.camera == key.camera).count();
        let ages = self.known.ages(now, |other| other.camera == key.camera);
        let refused = ages.iter().filter(|age| **age < COUNTED).count();
        under_way > 0 && under_way + refused >= AT_ONE_CAMERA_MAX
    }

    fn is_refused(&self, key: &Key) -> bool {
        let mut all = self.known.refused.iter();
        all.any(|refused| refused.key == *key)
    }
}

impl Key {
    fn alone(&self, url: &Url) -> Self {
        Self {
            stream: Some(Digest::of(url.to_string().as_bytes()).to_string()),
            ..self.clone()
        }
    }
}

impl Attempt {
    /// The camera took it.
    pub(super) fn worked(&self) {
        let Some(trial) = &self.0 else {
            return;
        };
        let (logins, key, alone) = (&trial.logins, &trial.key, &trial.alone);
        let is_own = |refused: &RefusedLogin| refused.key == *key || refused.key == *alone;
        let is_known = {
            let mut state = logins.state();
            state.trying.remove(&trial.number);
            state.right.insert(key.clone());
            state.known.refused.iter().any(is_own)
        };
        logins.changed.notify_all();
        if is_known {
            logins.note(|state, _| state.known.refused.retain(|refused| !is_own(refused)));
        }
    }

    /// The camera refused it.
    pub(super) fn refused(&self) {
        let Some(trial) = &self.0 else {
            return;
        };
        let (key, alone) = (&trial.key, &trial.alone);
        trial.logins.note(|state, now| {
            state.trying.remove(&trial.number);
            state.wrong.insert(key.clone());
            // The first refusal of a right login is this stream's own, and so are its next; that of
            // a second stream says that the password was changed.
            let was_right = state.right.remove(key);
            let is_own = was_right || (state.is_refused(alone) && !state.is_refused(key));
            state.known.note(if is_own { alone } else { key }, now);
        });
    }

    /// Nothing is found out any more: others need not wait. A refusal may still come.
    pub(super) fn over(&self) {
        if let Some(Trial { logins, number, .. }) = &self.0 {
            logins.state().trying.remove(number);
            logins.changed.notify_all();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.over();
    }
}

impl Known {
    fn digest(&self, login: &StreamLogin) -> String {
        let (user, password) = (&login.user, login.password.text());
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        let tag = hmac::sign(&key, format!("{user}\0{password}").as_bytes());
        hex::encode(tag.as_ref().get(..16).unwrap_or_default())
    }

    fn note(&mut self, key: &Key, now: UtcTime) {
        let at = self.refused.iter().position(|refused| refused.key == *key);
        // The latest stands last, and the oldest is let go.
        let mut refused = match at {
            Some(at) => self.refused.remove(at),
            None => RefusedLogin {
                key: key.clone(),
                at_unix_us: Vec::new(),
            },
        };
        refused.at_unix_us.push(now.unix_us());
        let old = refused.at_unix_us.len().saturating_sub(TIMES_MAX);
        refused.at_unix_us.drain(..old);
        self.refused.push(refused);
        let old = self.refused.len().saturating_sub(LOGINS_MAX);
        self.refused.drain(..old);
    }

    /// How long ago each refusal was, the latest first. One that lies ahead is as if it were now,
    /// unless the clock has jumped.
    fn ages(&self, now: UtcTime, which: impl Fn(&Key) -> bool) -> Vec<Duration> {
        let these = self.refused.iter().filter(|refused| which(&refused.key));
        let times = these.flat_map(|refused| &refused.at_unix_us);
        let ages = times.filter_map(|us| {
            let at = UtcTime::from_unix_us(*us);
            (at.since(now) < WAITS[0]).then(|| now.since(at))
        });
        let mut ages: Vec<_> = ages.filter(|age| *age < FORGOTTEN).collect();
        ages.sort();
        ages
    }

    /// How long this login is not tried; none when it may be.
    fn withheld(&self, key: &Key, who: Trying, now: UtcTime) -> Option<Duration> {
        let own = self.ages(now, |other| other == key);
        let all = self.ages(now, |other| other.camera == key.camera);
        let until = |ages: &[Duration], most: usize, span: Duration| {
            let age = *ages.get(most.checked_sub(1)?)?;
            span.checked_sub(age).filter(|left| !left.is_zero())
        };
        let by_camera = until(&all, AT_ONE_CAMERA_MAX, COUNTED);
        let by_login = match who {
            Trying::Person => until(&own, BY_A_PERSON_MAX, COUNTED),
            Trying::Daemon => {
                let wait = match own.len() {
                    1 if key.stream.is_some() => WAIT_OF_A_RIGHT_ONE,
                    count => WAITS[count.clamp(1, WAITS.len()) - 1],
                };
                until(&own, 1, wait)
            }
        };
        by_camera.max(by_login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::capture::source::Password;
    use crate::adapters::clock::HandClock;

    fn login(password: &str) -> StreamLogin {
        StreamLogin {
            user: "varco".to_owned(),
            password: Password::new(password),
        }
    }

    fn camera() -> Url {
        Url::parse("rtsp://192.0.2.7/one").unwrap()
    }

    /// Tries every ten seconds for so long; the seconds at which the camera was asked.
    fn tries(
        logins: &Arc<CameraLogins>,
        clock: &HandClock,
        password: &str,
        seconds: u64,
    ) -> Vec<u64> {
        let mut tried = Vec::new();
        for second in (0..seconds).step_by(10) {
            if let Ok(attempt) = logins.begin(&camera(), Some(&login(password))) {
                attempt.refused();
                tried.push(second);
            }
            clock.advance(Duration::from_secs(10));
        }
        tried
    }

    #[test]
    fn a_refused_login_is_tried_again_by_minutes_well_below_what_locks_an_address() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let tried = tries(&logins, &clock, "wrong", 6 * 3600);
        assert_eq!(tried.get(..4), Some(&[0, 300, 1500, 3300][..]));
        for from in &tried[1..] {
            let within = tried.iter().filter(|at| (*from..from + 1800).contains(*at));
            assert!(within.count() <= 2, "{tried:?}");
        }
        assert!(tried.len() <= 9, "{tried:?}");
    }

    #[test]
    fn what_was_refused_is_known_after_a_restart_and_to_those_beside() {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::at(1_800_000_000_000_000);
        let open = |who| CameraLogins::open(Some(folder.path()), who, clock.clone());
        open(Trying::Daemon)
            .begin(&camera(), Some(&login("wrong")))
            .unwrap()
            .refused();
        let again = open(Trying::Daemon).begin(&camera(), Some(&login("wrong")));
        assert!(matches!(again, Err(CaptureError::LoginWithheld { .. })));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!text.contains("wrong") && !text.contains("varco"), "{text}");
        // A person may try, but not as often as locks the address.
        let persons = [(); 4].map(|()| tries(&open(Trying::Person), &clock, "wrong", 60).len());
        assert_eq!(persons, [1, 1, 0, 0]);
        // Another password, or another camera, is another login.
        let daemon = open(Trying::Daemon);
        let attempt = daemon.begin(&camera(), Some(&login("right"))).unwrap();
        attempt.worked();
        drop(attempt);
        let other = Url::parse("rtsp://192.0.2.8/one").unwrap();
        assert!(daemon.begin(&other, Some(&login("wrong"))).is_ok());
    }

    #[test]
    fn many_passwords_at_one_camera_count_together() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Person, clock.clone());
        let wrong = ["a", "b", "c", "d", "e", "f"];
        let tried = wrong.map(|password| tries(&logins, &clock, password, 10).len());
        assert_eq!(tried, [1, 1, 1, 1, 0, 0]);
        clock.advance(COUNTED);
        assert_eq!(tries(&logins, &clock, "e", 10).len(), 1);
    }

    #[test]
    fn a_login_that_works_again_is_free_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::at(1_800_000_000_000_000);
        let open = |who| CameraLogins::open(Some(folder.path()), who, clock.clone());
        let (daemon, person) = (open(Trying::Daemon), open(Trying::Person));
        assert_eq!(tries(&daemon, &clock, "late", 60), [0]);
        // It was mended in the camera, and `check` shows it.
        person
            .begin(&camera(), Some(&login("late")))
            .unwrap()
            .worked();
        assert!(daemon.begin(&camera(), Some(&login("late"))).is_ok());
    }

    #[test]
    fn two_streams_of_a_camera_try_one_after_the_other() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let first = logins.begin(&camera(), Some(&login("wrong"))).unwrap();
        let second = std::thread::spawn({
            let logins = Arc::clone(&logins);
            move || logins.begin(&camera(), Some(&login("wrong"))).map(|_| ())
        });
        first.refused();
        drop(first);
        let second = second.join().unwrap();
        assert!(matches!(second, Err(CaptureError::LoginWithheld { .. })));
    }

    #[test]
    fn a_clock_that_jumps_back_holds_nobody_out() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        assert_eq!(tries(&logins, &clock, "wrong", 10), [0]);
        logins.state().known.refused[0].at_unix_us = vec![1_900_000_000_000_000];
        assert!(logins.begin(&camera(), Some(&login("wrong"))).is_ok());
    }

    #[test]
    fn a_stream_that_is_refused_takes_no_other_down_whose_login_worked() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let login = login("right");
        logins.begin(&camera(), Some(&login)).unwrap().worked();
        let other = Url::parse("rtsp://192.0.2.7/two").unwrap();
        logins.begin(&other, Some(&login)).unwrap().refused();
        assert!(logins.begin(&other, Some(&login)).is_err());
        assert!(logins.begin(&camera(), Some(&login)).is_ok());
        // It may have had no stream left to give: the first wait is short.
        clock.advance(WAIT_OF_A_RIGHT_ONE);
        logins.begin(&other, Some(&login)).unwrap().refused();
        clock.advance(WAIT_OF_A_RIGHT_ONE);
        assert!(logins.begin(&other, Some(&login)).is_err());
        assert!(logins.begin(&camera(), Some(&login)).is_ok());
    }

    #[test]
    fn a_password_that_was_changed_is_tried_by_two_streams_and_by_no_third() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let login = login("old");
        logins.begin(&camera(), Some(&login)).unwrap().worked();
        let tried = (0..8).filter(|stream| {
            let url = Url::parse(&format!("rtsp://192.0.2.7/{stream}")).unwrap();
            let attempt = logins.begin(&url, Some(&login));
            attempt.is_ok_and(|attempt| {
                attempt.refused();
                true
            })
        });
        assert_eq!(tried.count(), 2);
    }

    #[test]
    fn streams_that_begin_together_are_no_more_than_a_camera_may_refuse() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let login = login("old");
        logins.begin(&camera(), Some(&login)).unwrap().worked();
        let begin = || logins.begin(&camera(), Some(&login));
        let mut under_way: Vec<_> = (0..AT_ONE_CAMERA_MAX).map(|_| begin().unwrap()).collect();
        let is_crowded = || {
            let state = logins.state();
            let key = state.right.iter().next().unwrap();
            state.is_crowded(key, logins.clock.now())
        };
        assert!(is_crowded());
        // One that got in makes room for the next at once.
        under_way[0].worked();
        assert!(!is_crowded());
        under_way.push(begin().unwrap());
        assert!(is_crowded());
        for attempt in &under_way[1..] {
            attempt.refused();
        }
        assert!(matches!(begin(), Err(CaptureError::LoginWithheld { .. })));
    }

    #[test]
    fn a_camera_that_plays_without_a_login_lets_its_other_streams_go_on() {
        let clock = HandClock::at(1_800_000_000_000_000);
        let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
        let plays = logins.begin(&camera(), Some(&login("any"))).unwrap();
        assert_eq!(logins.state().trying.len(), 1);
        plays.over();
        assert!(logins.state().trying.is_empty());
        // It may want one later, and refuse it.
        plays.refused();
        assert!(logins.begin(&camera(), Some(&login("any"))).is_err());
    }
}
