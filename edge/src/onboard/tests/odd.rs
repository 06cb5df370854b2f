//! Messages with a field that cannot be used as it came: it does not cost the plate.

use super::*;

fn xml() -> String {
    String::from_utf8(hikvision().remove(0).bytes).unwrap()
}

fn odd(maker: Maker, text: &str) -> Pushed {
    reading(&rules(maker, Take::Last), &part(text))
}

fn fields(pushed: &Pushed) -> Vec<&'static str> {
    pushed.left_out.iter().map(|left| left.field).collect()
}

#[test]
fn d03_part_an_umlaut_and_a_character_not_read_are_kept_beside_the_plate() {
    let umlaut = odd(Maker::Hikvision, &xml().replace("IO123QU", "MÜ AB 123"));
    assert_eq!(
        (umlaut.plate.as_str(), &*umlaut.plate_said),
        ("MUAB123", "MÜ AB 123")
    );
    let milesight = odd(Maker::Milesight, &MILESIGHT.replace("QI789UO", "TÜXY123"));
    assert_eq!(milesight.plate.as_str(), "TUXY123");
    let marked = AXIS.replace("UQ456OI", "MÜAB123");
    let bare = marked.replace("\"plateASCII\": \"MÜAB123\"", "\"plateASCII\": \"MUAB123\"");
    for text in [marked, bare] {
        let axis = odd(Maker::Axis, &text);
        assert_eq!(
            (axis.plate.as_str(), &*axis.plate_said),
            ("MUAB123", "MÜAB123")
        );
    }
    let unread = odd(Maker::Hikvision, &xml().replace("IO123QU", "AB?23CD"));
    assert_eq!(
        (unread.plate.as_str(), &*unread.unread),
        ("ABQ23CD", &[2][..])
    );
    assert_eq!(fields(&unread), ["licensePlate"]);
}

#[test]
fn d03_part_a_transit_says_which_character_was_not_read() {
    let unread = odd(Maker::Hikvision, &xml().replace("IO123QU", "AB?23CD"));
    let at = CaptureTime {
        at: utc("2026-11-20T07:31:07Z"),
        uncertainty: std::time::Duration::from_secs(1),
        source: ClockSource::Camera,
    };
    let placing = Placing {
        camera: "porta-sud-02".parse().unwrap(),
        gate: "porta-sud".parse().unwrap(),
        lanes: Vec::new(),
        inward: None,
    };
    let id = TransitId::from_parts(1, [2; 10]);
    let transit = into_transit(&unread, Maker::Hikvision, &placing, at, id);
    let reader = transit.onboard.clone().unwrap();
    assert_eq!(
        (reader.plate_said(), reader.unread()),
        ("AB?23CD", &[2][..])
    );
    assert_eq!(reader.said(), Some((97.0, 100.0)));
    assert!(transit.plate.confidence.get() < 0.03, "the text is a guess");
    assert!(transit.plate.characters[2][0].confidence.get() < 0.03);
    assert!(transit.plate.characters[3][0].confidence.get() > 0.9);
    let sent = varco_proto::wire::Transit::from(&transit);
    assert_eq!(
        varco_proto::transit::Transit::try_from(sent).unwrap(),
        transit
    );
}

#[test]
fn d03_part_a_time_that_cannot_be_read_is_that_of_the_arrival() {
    let zero = xml().replace("2026-11-20T08:31:07+01:00", "2026-11-20T07:31:0700:00");
    assert_eq!(
        odd(Maker::Hikvision, &zero).at,
        Some(utc("2026-11-20T07:31:07Z"))
    );
    let turned = MILESIGHT.replace("2026-11-20 08:31:07.123", "20/11/2026 08:31:07");
    assert_eq!(
        odd(Maker::Milesight, &turned).at,
        Some(utc("2026-11-20T07:31:07Z"))
    );
    let axis = AXIS
        .replace("1795159867123", "0")
        .replace("20261120 083107123", "bad");
    let axis = odd(Maker::Axis, &axis);
    assert_eq!(
        (axis.at, fields(&axis)),
        (None, vec!["capture_timestamp", "datetime"])
    );
    let named = odd(
        Maker::Onvif,
        &ONVIF[0].replace("2026-11-20T07:31:07.123Z", "20 Nov 2026"),
    );
    assert_eq!((named.at, fields(&named)), (None, vec!["UtcTime"]));
    let dated = odd(
        Maker::Hikvision,
        &xml().replace("2026-11-20T08:31:07", "0000-00-00T00:00:00"),
    );
    assert_eq!((dated.at, fields(&dated)), (None, vec!["dateTime"]));
}

#[test]
fn d03_part_a_name_in_another_encoding_costs_nothing() {
    let latin = xml().replace("invented gate camera", "Porta Citt@");
    let latin: Vec<u8> = latin
        .bytes()
        .map(|b| if b == b'@' { 0xe0 } else { b })
        .collect();
    let chinese = xml()
        .replace("UTF-8", "GB2312")
        .replace("invented gate camera", "@");
    let chinese: Vec<u8> = chinese
        .bytes()
        .flat_map(|b| {
            if b == b'@' {
                vec![0xc8, 0xeb, 0xbf, 0xda]
            } else {
                vec![b]
            }
        })
        .collect();
    let wide: Vec<u8> = xml().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let ampersand = xml().replace("invented gate camera", "Porta & Nord <1>");
    let marked = [b"\xef\xbb\xbf", xml().as_bytes(), b"\0\0\r\n"].concat();
    for bytes in [latin, chinese, wide, ampersand.into_bytes(), marked] {
        let parts = [Part {
            name: String::new(),
            bytes,
        }];
        let pushed = reading(&rules(Maker::Hikvision, Take::Last), &parts);
        assert_eq!(pushed.plate.as_str(), "IO123QU");
        assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07Z")));
    }
}

#[test]
fn d03_part_marks_zeros_lists_and_empty_names_do_not_hide_an_axis_reading() {
    let list = format!("[{AXIS}]");
    for text in [
        format!("\u{feff}{AXIS}"),
        format!("{AXIS}\0"),
        AXIS.replace("\"plateASCII\": \"UQ456OI\"", "\"plateASCII\": \"\""),
        AXIS.replace("\"0.868800\"", "NaN"),
        AXIS.replace("[519, 633, 141, 32]", "[519.0, 633.2, 141.0, 32.0]"),
        AXIS.replace("\"ITA\"", "380"),
        AXIS.replace("\"ITA\"", "\"XKX\""),
        AXIS.replace("\"out\"", "\"unknown\""),
        format!("{{\"event\": {AXIS}}}"),
        list,
    ] {
        let pushed = odd(Maker::Axis, &text);
        assert_eq!(pushed.plate.as_str(), "UQ456OI");
        assert!(crop(pushed.picture.as_ref()).is_some());
    }
    let percent = odd(Maker::Axis, &AXIS.replace("\"0.868800\"", "\"86.88 %\""));
    assert_eq!(
        (percent.confidence, percent.confidence_top),
        (Some(86.88), 100.0)
    );
    let broken = odd(Maker::Axis, &AXIS.replace("\"0.868800\"", "NaN"));
    assert_eq!(fields(&broken), ["message", "plateConfidence"]);
    let form = odd(
        Maker::Milesight,
        "plate=QI789UO&time=2026-11-20+08%3A31%3A07&direction=Away",
    );
    assert_eq!(form.at, Some(utc("2026-11-20T07:31:07Z")));
}

#[test]
fn d03_part_words_for_no_plate_are_no_plate_with_any_maker() {
    for none in [
        "NO_PLATE",
        "unlicensed",
        "0",
        "--",
        "无车牌",
        "????",
        "N/A",
        "No plate",
    ] {
        for (maker, text) in [
            (Maker::Hikvision, xml().replace("IO123QU", none)),
            (Maker::Axis, AXIS.replace("UQ456OI", none)),
            (Maker::Milesight, MILESIGHT.replace("QI789UO", none)),
            (Maker::Onvif, ONVIF[0].replace("OU321IQ", none)),
        ] {
            let now = utc("2026-11-20T07:31:09Z");
            let read = understand(&rules(maker, Take::Last), &part(&text), now);
            assert!(
                matches!(read, Ok(Message::Other(_))),
                "{maker} {none}: {read:?}"
            );
        }
    }
}

#[test]
fn d03_part_the_plates_picture_is_found_by_any_of_its_names_or_by_its_shape() {
    let picture = hikvision().remove(1).bytes;
    let named = |name: &str| {
        let xml = xml().replace("<absTime>", "<pId>2026112008310700100Pid01</pId><absTime>");
        let text = part(&xml).remove(0);
        let of_plate = Part {
            name: name.to_owned(),
            bytes: picture.clone(),
        };
        let parts = [text, of_plate];
        reading(&rules(Maker::Hikvision, Take::Last), &parts).picture
    };
    for name in [
        "licensePlatePicture.jpg",
        "licensePlatePicture.jpg 2026112008310700100Pid01",
        "2026112008310700100Pid01",
        "",
        "image",
    ] {
        assert!(named(name).is_some(), "{name}");
    }
    assert_eq!(named("detectionPicture.jpg"), None, "a scene shows people");
}

#[test]
fn d03_part_events_of_one_name_in_one_message_are_told_apart_by_plate_and_time() {
    let rules = rules(Maker::Hikvision, Take::Last);
    let now = utc("2026-11-20T07:31:09Z");
    for (change, count) in [
        (("IO123QU", "UQ456OI"), 2),
        (("08:31:07+01:00", "08:31:08+01:00"), 2),
        (("invented gate camera", "invented gate camera"), 1),
    ] {
        let mut parts = part(&xml());
        parts.extend(part(&xml().replace(change.0, change.1)));
        let Ok(Message::Readings(read)) = understand(&rules, &parts, now) else {
            panic!("no readings");
        };
        assert_eq!(read.all.len(), count, "{change:?}");
    }
}

#[test]
fn d03_part_a_dahua_event_too_many_is_told() {
    let event = |at: usize| {
        format!(
            "Code=TrafficJunction;action=Pulse;index=0;data={{\"EventID\":{at},\
             \"TrafficCar\":{{\"PlateNumber\":\"QO654UI\"}}}}\n"
        )
    };
    let now = utc("2026-11-20T07:31:09Z");
    for (count, refused) in [(64, None), (65, Some(Malformed::TooMuch("events")))] {
        let text: String = (1..=count).map(event).collect();
        let read = understand(&rules(Maker::Dahua, Take::Last), &part(&text), now);
        let Ok(Message::Readings(read)) = read else {
            panic!("no readings");
        };
        assert_eq!((read.all.len(), read.refused), (64, refused));
    }
}

#[test]
fn d03_part_of_several_events_each_is_a_reading() {
    let mut parts = hikvision();
    let second = xml().replace("IO123QU", "UQ456OI").replace("a001", "a002");
    parts.insert(1, part(&second).remove(0));
    let torn = xml()
        .replace("<licensePlate>IO123QU</licensePlate>", "")
        .replace("a001", "a003");
    let torn = torn.replace("<originalLicensePlate>IO123QU</originalLicensePlate>", "");
    let now = utc("2026-11-20T07:31:09Z");
    let hikvision = rules(Maker::Hikvision, Take::Last);
    for refused in [false, true] {
        if refused {
            parts.insert(2, part(&torn).remove(0));
        }
        let Ok(Message::Readings(read)) = understand(&hikvision, &parts, now) else {
            panic!("no readings");
        };
        let plates: Vec<_> = read.all.iter().map(|it| it.plate.as_str()).collect();
        assert_eq!(plates, ["IO123QU", "UQ456OI"]);
        assert!(
            read.all.iter().all(|it| it.picture.is_none()),
            "nobody says whose it is"
        );
        assert_eq!(read.refused.is_some(), refused);
    }
}
