use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: i64 = 1;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> UtcTime {
    UtcTime::from_unix_us((NOW + seconds) * 1_000_000)
}

fn came(said: Option<i64>, arrived: i64, late: bool) -> Arrival {
    Arrival {
        said: said.map(at),
        late,
        waits: false,
        at: at(arrived),
        error: MS,
        granted: MS * 1000,
    }
}

fn captured(clock: &mut CameraClock, said: Option<i64>, arrived: i64) -> CaptureTime {
    match clock.captured(&came(said, arrived, false)) {
        Dated::At(time) => time,
        other => panic!("{other:?}"),
    }
}

/// A clock that was right at 0.
fn right() -> CameraClock {
    let mut clock = CameraClock::default();
    assert_eq!(
        captured(&mut clock, Some(-1), 0).source,
        ClockSource::Camera
    );
    assert_eq!(clock.trust(), Trust::Right);
    clock
}

fn is_by_arrival(time: CaptureTime, said: i64, arrived: i64) {
    assert_eq!((time.at, time.source), (at(arrived), ClockSource::Arrival));
    let apart = Duration::from_secs((arrived - said).unsigned_abs());
    assert!(time.uncertainty >= apart.min(DOUBT_MAX), "{said}: {time:?}");
}

#[test]
fn d03_part_a_reading_without_a_time_has_that_of_its_arrival_with_its_doubt() {
    let time = captured(&mut CameraClock::default(), None, 100);
    assert_eq!((time.at, time.source), (at(100), ClockSource::Arrival));
    assert_eq!(time.uncertainty, ON_ITS_WAY + MS);
}

#[test]
fn d03_part_a_late_reading_without_a_time_is_not_dated_by_its_arrival() {
    for mut clock in [CameraClock::default(), right()] {
        let before = clock.trust();
        assert_eq!(clock.captured(&came(None, 100, true)), Dated::Unknown);
        assert_eq!(clock.trust(), before);
    }
}

#[test]
fn d03_part_a_prompt_reading_has_the_cameras_time_and_a_doubt_that_its_way_explains() {
    for (said, doubt) in [(99, 1001), (95, 1001), (93, 7001), (108, 8001)] {
        let time = captured(&mut CameraClock::default(), Some(said), 100);
        assert_eq!((time.at, time.source), (at(said), ClockSource::Camera));
        assert_eq!(time.uncertainty, MS * doubt, "{said}");
    }
}

#[test]
fn d03_part_a_vehicle_that_is_told_when_it_is_gone_has_the_cameras_time_with_the_wait_in_its_doubt()
{
    let mut clock = CameraClock::default();
    for (said, arrived, doubt) in [(0, 3, 1001), (10, 25, 15_001), (5, 125, 120_001)] {
        let gone = Arrival {
            waits: true,
            ..came(Some(said), arrived, false)
        };
        let Dated::At(time) = clock.captured(&gone) else {
            panic!()
        };
        assert_eq!((time.at, time.source), (at(said), ClockSource::Camera));
        assert_eq!(time.uncertainty, MS * doubt, "{said}");
        assert_eq!(clock.trust(), Trust::Right);
    }
    let gone = Arrival {
        waits: true,
        ..came(Some(130 - HOUR), 130, false)
    };
    assert!(matches!(clock.captured(&gone), Dated::At(time) if time.at == at(130)));
    assert_eq!(clock.trust(), Trust::Wrong);
}

#[test]
fn d03_part_a_clock_that_is_wrong_from_its_first_reading_dates_nothing() {
    for off in [
        HOUR,
        -HOUR,
        DAY,
        -DAY,
        -1024 * 7 * DAY, // the GPS week has rolled over
        -NOW + 7,        // 1970
        9 * 365 * DAY,   // 2036
    ] {
        let mut clock = CameraClock::default();
        for arrived in [0, 30, 4000] {
            let time = captured(&mut clock, Some(arrived + off), arrived);
            is_by_arrival(time, arrived + off, arrived);
            assert!(clock.trust().is_bad(), "{off} at {arrived}");
        }
        assert_eq!(clock.offset_us(), Some(-off * 1_000_000));
        let time = captured(&mut clock, Some(5000), 5001);
        assert_eq!((time.at, time.source), (at(5000), ClockSource::Camera));
        assert_eq!(clock.trust(), Trust::Right, "it was set");
    }
}

#[test]
fn d03_part_a_clock_that_jumps_is_noticed_at_the_first_reading_after_it() {
    for off in [
        -HOUR,
        HOUR,
        -DAY,
        -11 * SECOND,
        11 * SECOND,
        -NOW + 7,
        -1024 * 7 * DAY,
    ] {
        let mut clock = right();
        let time = captured(&mut clock, Some(5 + off), 5);
        is_by_arrival(time, 5 + off, 5);
        assert!(clock.trust().is_bad(), "{off}");
        for arrived in [10, 20, HOUR + 5, 2 * DAY] {
            let time = captured(&mut clock, Some(arrived + off), arrived);
            is_by_arrival(time, arrived + off, arrived);
        }
    }
}

#[test]
fn d03_part_an_hour_back_in_a_quiet_night_is_not_taken_for_a_delay() {
    let mut clock = right();
    // The next vehicle comes two hours later, and its reading is newer than all before.
    for arrived in [2 * HOUR, 2 * HOUR + 20, 2 * HOUR + MINUTE, 3 * HOUR] {
        let said = arrived - HOUR;
        let time = captured(&mut clock, Some(said), arrived);
        is_by_arrival(time, said, arrived);
        assert!(clock.trust().is_bad());
    }
    let mut heard = right();
    heard.met(at(2 * HOUR - 10));
    captured(&mut heard, Some(HOUR), 2 * HOUR);
    assert_eq!(heard.trust(), Trust::Wrong, "it was not cut off meanwhile");
}

#[test]
fn d03_part_a_backlog_that_nobody_marks_has_the_cameras_times_from_its_second_reading() {
    let mut clock = right();
    let first = captured(&mut clock, Some(10 * MINUTE), HOUR);
    is_by_arrival(first, 10 * MINUTE, HOUR);
    for (said, arrived) in [(20, 1), (35, 2), (50, 4), (59, 5)] {
        let (said, arrived) = (said * MINUTE, HOUR + arrived);
        let time = captured(&mut clock, Some(said), arrived);
        assert_eq!((time.at, time.source), (at(said), ClockSource::Camera));
    }
    captured(&mut clock, Some(HOUR + 8), HOUR + 9);
    assert_eq!(clock.trust(), Trust::Right);
    // The same from a camera whose clock nobody has seen right.
    let mut unknown = CameraClock::default();
    for (said, arrived) in [(10, 0), (20, 1), (35, 2)] {
        let (said, arrived) = (said * MINUTE, HOUR + arrived);
        is_by_arrival(captured(&mut unknown, Some(said), arrived), said, arrived);
    }
}

#[test]
fn d03_part_what_its_maker_marks_as_late_has_the_cameras_time_when_its_clock_was_right() {
    let mut clock = right();
    for said in [-DAY, -HOUR, -6 * DAY, -20] {
        let dated = clock.captured(&came(Some(said), 50, true));
        let Dated::At(time) = dated else { panic!() };
        assert_eq!((time.at, time.source), (at(said), ClockSource::Camera));
        assert_eq!(time.uncertainty, MS * 1001);
        assert_eq!(
            clock.trust(),
            Trust::Right,
            "history says nothing of the clock"
        );
    }
    let eight = came(Some(-8 * DAY), 50, true);
    assert_eq!(
        clock.captured(&eight),
        Dated::TooOld,
        "no hub would keep it"
    );
    captured(&mut clock, Some(60 - HOUR), 60);
    for mut bad in [clock, CameraClock::default()] {
        let Dated::At(time) = bad.captured(&came(Some(-HOUR), 70, true)) else {
            panic!()
        };
        is_by_arrival(time, -HOUR, 70);
    }
}

#[test]
fn d03_part_a_clock_found_right_before_a_restart_vouches_for_what_comes_after_it() {
    let mut clock = CameraClock::known(at(-MINUTE));
    let Dated::At(time) = clock.captured(&came(Some(-30), HOUR, true)) else {
        panic!()
    };
    assert_eq!((time.at, time.source), (at(-30), ClockSource::Camera));
    let time = captured(&mut clock, Some(-HOUR), HOUR + 1);
    is_by_arrival(time, -HOUR, HOUR + 1);
    assert_eq!(clock.trust(), Trust::Wrong);
}
