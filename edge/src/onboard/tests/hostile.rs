//! Messages that are cut, spoilt, deep or endless.

use super::*;

/// A message of each maker with the plate that is in it.
const SAMPLES: [(Maker, &[u8], &str); 9] = [
    (
        Maker::Axis,
        include_bytes!("../../../tests/messages/axis.json"),
        "UQ456OI",
    ),
    (
        Maker::Axis,
        include_bytes!("../../../tests/messages/axis-mqtt.json"),
        "UQ456OI",
    ),
    (
        Maker::Milesight,
        include_bytes!("../../../tests/messages/milesight.json"),
        "QI789UO",
    ),
    (
        Maker::Onvif,
        include_bytes!("../../../tests/messages/onvif-items.json"),
        "OU321IQ",
    ),
    (
        Maker::Hikvision,
        include_bytes!("../../../tests/messages/hikvision.json"),
        "IO123QU",
    ),
    (
        Maker::Dahua,
        include_bytes!("../../../tests/messages/dahua-event.txt"),
        "QO654UI",
    ),
    (
        Maker::Dahua,
        include_bytes!("../../../tests/messages/dahua-lines.txt"),
        "QO654UI",
    ),
    (
        Maker::Dahua,
        include_bytes!("../../../tests/messages/dahua-itc.json"),
        "QO654UI",
    ),
    (
        Maker::Plain,
        include_bytes!("../../../tests/messages/plain.json"),
        "UI987OQ",
    ),
];

fn now() -> UtcTime {
    utc("2026-11-20T07:31:09Z")
}

fn bytes(bytes: &[u8]) -> Vec<Part> {
    vec![Part {
        name: String::new(),
        bytes: bytes.to_vec(),
    }]
}

/// The plates that a message gives; none when it is refused.
fn plates(maker: Maker, message: &[u8]) -> Vec<String> {
    match understand(&rules(maker, Take::Last), &bytes(message), now()) {
        Ok(Message::Readings(readings)) => {
            let all = readings.all.iter().map(|pushed| pushed.plate.to_string());
            all.collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn d03_part_a_message_that_is_cut_gives_its_plate_whole_or_not_at_all() {
    let xml = hikvision().remove(0).bytes;
    let all = SAMPLES
        .into_iter()
        .chain([(Maker::Hikvision, &xml[..], "IO123QU")]);
    for (maker, message, plate) in all {
        // The text is short beside the picture that ends it.
        let end = message.len().min(2500);
        for cut in 0..=end {
            for read in plates(maker, &message[..cut]) {
                // What is written without an end may be cut anywhere.
                let is_line = message.starts_with(b"Events") && plate.starts_with(&read);
                assert!(read == plate || is_line, "{maker} cut at {cut}: {read}");
            }
        }
        assert_eq!(plates(maker, message), [plate], "{maker}");
    }
}

#[test]
fn d03_part_a_byte_that_is_spoilt_costs_at_most_its_own_field() {
    for (maker, message, plate) in SAMPLES {
        let text = String::from_utf8_lossy(message);
        let end = message.len().min(2500);
        for at in (0..end).step_by(3) {
            for spoilt in [0_u8, b'"', b'{', b'<', 0xff] {
                let mut message = message.to_vec();
                message[at] = spoilt;
                let _ = plates(maker, &message);
            }
        }
        // A value that no parser takes, in each field that stands on a line of its own.
        for line in text
            .lines()
            .filter(|line| line.len() < 200 && line.contains("\": "))
        {
            let (name, value) = line.split_once("\": ").unwrap();
            let is_needed = value.contains(plate) || name.contains("carState");
            if is_needed || value.contains(['{', '[', '}', ']']) {
                continue;
            }
            for broken in [
                "NaN",
                "1e999",
                "\"\u{1}\\q\"",
                "-",
                "\"%\"",
                "-9999999999999999999",
            ] {
                let comma = if value.ends_with(',') { "," } else { "" };
                let odd = text.replacen(line, &format!("{name}\": {broken}{comma}"), 1);
                let read = plates(maker, odd.as_bytes());
                let kinds = ["Code", "Action", "eventType", "eventState"];
                let is_kind = kinds.iter().any(|kind| name.ends_with(kind));
                assert!(
                    is_kind || read == [plate],
                    "{maker}: {name} {broken}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn d03_part_hostile_messages_are_refused_without_repeating_them() {
    let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(20_000));
    let long = AXIS.replace("UQ456OI", &"UQ456OI".repeat(4));
    for (maker, text) in [
        (Maker::Hikvision, "{}"),
        (Maker::Hikvision, "<EventNotificationAlert/>"),
        (
            Maker::Hikvision,
            "<EventNotificationAlert><eventType>ANPR</eventType></EventNotificationAlert>",
        ),
        (Maker::Hikvision, "<!DOCTYPE a><EventNotificationAlert/>"),
        (
            Maker::Hikvision,
            "<Other><eventType>ANPR</eventType></Other>",
        ),
        (Maker::Axis, ""),
        (Maker::Axis, "[]"),
        (Maker::Axis, "{\"plateText\": "),
        (Maker::Axis, &long),
        (Maker::Onvif, "\u{0}"),
        (Maker::Onvif, &wide),
        (Maker::Dahua, "\u{0}"),
        (Maker::Plain, "{\"text\": \"UQ456OI\"}"),
        (Maker::Plain, "{\"plate\": 7}"),
    ] {
        let read = understand(&rules(maker, Take::Last), &part(text), now());
        let error = read.expect_err(text);
        assert!(!error.to_string().contains("UQ456OI"), "{error}");
    }
}

#[test]
fn d03_part_deep_and_endless_messages_end() {
    let deep = "{\"a\":".repeat(100) + "1" + &"}".repeat(100);
    for (maker, _) in Maker::ALL {
        for text in [
            deep.clone(),
            "{\"a\":".repeat(20_000),
            "[".repeat(100_000),
            "<a>".repeat(20_000),
            "Code=data=".repeat(20_000),
            "a.b.c.d=1\n".repeat(20_000),
            "a=1&".repeat(20_000),
            ":".repeat(1_000_000),
            "<".repeat(100_000),
            "&".repeat(100_000),
        ] {
            let read = understand(&rules(maker, Take::Last), &part(&text), now());
            assert!(matches!(read, Ok(Message::Other(_)) | Err(_)), "{maker}");
        }
    }
}

#[test]
fn a_part_never_prints_what_it_holds() {
    let part = &part("IO123QU")[0];
    assert!(!format!("{part:?}").contains("IO123"));
}
