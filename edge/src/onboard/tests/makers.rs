//! Further forms of makers' messages.

use super::*;

fn readings(maker: Maker, parts: &[Part]) -> Readings {
    match understand(
        &rules(maker, Take::Last),
        parts,
        utc("2026-11-20T07:31:09Z"),
    ) {
        Ok(Message::Readings(readings)) => readings,
        other => panic!("no reading: {other:?}"),
    }
}

#[test]
fn d03_part_onvifs_own_form_gives_each_object_of_a_frame_with_its_picture() {
    let text = include_str!("../../../tests/messages/onvif-frames.json");
    let all = readings(Maker::Onvif, &part(text)).all;
    let read: Vec<_> = all
        .iter()
        .map(|it| (it.plate.as_str(), &*it.event))
        .collect();
    assert_eq!(read, [("OU321IQ", "4711"), ("IQ123OU", "4712")]);
    for pushed in &all {
        let utc = Some(utc("2026-11-20T07:31:07.123Z"));
        assert_eq!(pushed.at, utc, "a time without zone is in UTC");
        assert_eq!(
            (&*pushed.device, &*pushed.left_out),
            ("invented-1", &[][..])
        );
    }
    assert_eq!(
        (all[0].confidence, all[1].confidence),
        (Some(0.91), Some(0.72))
    );
    assert!(crop(all[0].picture.as_ref()).is_some() && all[1].picture.is_none());
}

#[test]
fn d03_part_onvifs_messages_are_read_as_xml_and_with_prefixes_too() {
    let xml = "<?xml version=\"1.0\"?><tt:MetadataStream xmlns:tt=\"http://www.onvif.org/ver10/schema\">\
        <tt:VideoAnalytics><tt:Frame UtcTime=\"2026-11-20T07:31:07.123Z\"><tt:Object ObjectId=\"4711\">\
        <tt:Appearance><tt:LicensePlateInfo><tt:PlateNumber Likelihood=\"0.91\">OU321IQ</tt:PlateNumber>\
        <tt:CountryCode>IT</tt:CountryCode></tt:LicensePlateInfo></tt:Appearance></tt:Object></tt:Frame>\
        </tt:VideoAnalytics></tt:MetadataStream>";
    let event = "<tt:Message xmlns:tt=\"u\" UtcTime=\"2026-11-20T07:31:07.123Z\"><tt:Key><tt:SimpleItem \
        Name=\"ObjectId\" Value=\"4711\"/></tt:Key><tt:Data><tt:SimpleItem Name=\"PlateNumber\" \
        Value=\"OU321IQ\"/><tt:SimpleItem Name=\"Likelihood\" Value=\"0.91\"/></tt:Data></tt:Message>";
    let items = r##"{"tt:Message": {"@UtcTime": "2026-11-20T07:31:07.123Z", "tt:Key": {"tt:SimpleItem":
        {"@Name": "ObjectId", "@Value": "4711"}}, "tt:Data": {"tt:ElementItem": [{"@Name": "Vehicle",
        "tt:LicensePlateInfo": {"tt:PlateNumber": {"@Likelihood": "0.91", "#text": "OU321IQ"}}}]}}}"##;
    let small = ONVIF[0]
        .replace("PlateNumber", "plateNumber")
        .replace("UtcTime", "utcTime");
    for text in [xml, event, items, &small, &format!("[{}]", ONVIF[0])] {
        let pushed = reading(&rules(Maker::Onvif, Take::Last), &part(text));
        assert_eq!(pushed.plate.as_str(), "OU321IQ", "{text}");
        assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")), "{text}");
        assert_eq!(
            (&*pushed.event, pushed.confidence),
            ("4711", Some(0.91)),
            "{text}"
        );
    }
    let gone = ONVIF[0].replace("Changed", "Deleted");
    let read = understand(
        &rules(Maker::Onvif, Take::Last),
        &part(&gone),
        utc("2026-11-20T07:31:09Z"),
    );
    assert!(matches!(read, Ok(Message::Other(_))));
}

#[test]
fn d03_part_the_image_of_an_onvif_rule_is_taken_when_it_looks_like_a_plate() {
    let picture = |image: &str| {
        let data = format!("\"Data\": {{\"Image\": \"{image}\", ");
        let text = ONVIF[0].replace("\"Data\": {", &data);
        reading(&rules(Maker::Onvif, Take::Last), &part(&text)).picture
    };
    let of = |width: u32, height: u32| {
        let pixels = vec![90; usize::try_from(width * height * 3).unwrap()];
        let jpeg = crate::core::picture::jpeg(&pixels, width, height, 80).unwrap();
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, jpeg)
    };
    assert!(crop(picture(&of(180, 40)).as_ref()).is_some());
    assert_eq!(
        picture(&of(300, 250)),
        None,
        "a vehicle shows more than a plate"
    );
    assert_eq!(picture("no base64!"), None);
}

#[test]
fn d03_part_axis_event_over_mqtt_is_read_by_either_name_of_its_maker() {
    let text = include_str!("../../../tests/messages/axis-mqtt.json");
    for maker in [Maker::Axis, Maker::Onvif] {
        let pushed = reading(&rules(maker, Take::Last), &part(text));
        assert_eq!((pushed.plate.as_str(), &*pushed.event), ("UQ456OI", "1327"));
        assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")));
        assert_eq!(pushed.direction, Some(Direction::Away));
        assert_eq!(
            (pushed.country.as_deref(), &*pushed.device),
            (Some("IT"), "INVENTED0001")
        );
        let sight = text.replace("\"lost\"", "\"new\"");
        let read = understand(&rules(maker, Take::Last), &part(&sight), UtcTime::default());
        assert!(matches!(read, Ok(Message::Other(_))), "{read:?}");
    }
}

#[test]
fn d03_part_hikvisions_json_says_what_its_xml_says() {
    let text = include_str!("../../../tests/messages/hikvision.json");
    let xml = reading(&rules(Maker::Hikvision, Take::Last), &hikvision()[..1]);
    for text in [
        text.to_owned(),
        format!("{{\"EventNotificationAlert\": {text}}}"),
    ] {
        let json = reading(&rules(Maker::Hikvision, Take::Last), &part(&text));
        assert_eq!(json, xml);
    }
    let late = text.replace("\"activePostCount\": 1", "\"alarmDataType\": 1");
    assert!(reading(&rules(Maker::Hikvision, Take::Last), &part(&late)).late);
    assert!(!xml.late);
}

#[test]
fn d03_part_dahuas_events_and_itc_push_are_read() {
    let event = include_str!("../../../tests/messages/dahua-event.txt");
    let (_, data) = event.split_once("data=").unwrap();
    let call = format!(
        "{{\"method\": \"client.notifyEventStream\", \"params\": {{\"eventList\": [{{\"Action\": \
         \"Pulse\", \"Code\": \"TrafficJunction\", \"Data\": {data}}}]}}}}"
    );
    for text in [
        event,
        &call,
        include_str!("../../../tests/messages/dahua-lines.txt"),
        include_str!("../../../tests/messages/dahua-itc.json"),
    ] {
        let pushed = reading(&rules(Maker::Dahua, Take::Last), &part(text));
        assert_eq!(pushed.plate.as_str(), "QO654UI", "{text}");
        assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")), "{text}");
        assert_eq!(
            (pushed.confidence, pushed.confidence_top),
            (Some(96.0), 100.0),
            "{text}"
        );
        assert_eq!(
            (pushed.direction, pushed.lane),
            (Some(Direction::Towards), Some(2)),
            "{text}"
        );
        assert_eq!(
            (pushed.country.as_deref(), &*pushed.device),
            (Some("IT"), "INVENTED0004")
        );
        assert_eq!(pushed.left_out, [], "{text}");
        let none = understand(
            &rules(Maker::Dahua, Take::Last),
            &part(&text.replace("QO654UI", "unlicensed")),
            UtcTime::default(),
        );
        assert!(matches!(none, Ok(Message::Other(_))), "{none:?}");
    }
    let itc = include_str!("../../../tests/messages/dahua-itc.json");
    let pushed = reading(&rules(Maker::Dahua, Take::Last), &part(itc));
    assert!(crop(pushed.picture.as_ref()).is_some());
    let two = format!(
        "{event}{}",
        event.replace("QO654UI", "UI123OQ").replace("516", "517")
    );
    assert_eq!(readings(Maker::Dahua, &part(&two)).all.len(), 2);
}

#[test]
fn d03_part_dahuas_other_events_are_nothing_to_take() {
    let event = include_str!("../../../tests/messages/dahua-event.txt");
    for text in [
        "Heartbeat",
        "Code=VideoMotion;action=Start;index=0",
        "Code=VideoMotion;action=Start;index=0;data={\"Id\": 1}",
        &event.replace("TrafficJunction", "VideoMotion"),
        &event.replace("Pulse", "Stop"),
    ] {
        let read = understand(
            &rules(Maker::Dahua, Take::Last),
            &part(text),
            UtcTime::default(),
        );
        assert!(matches!(read, Ok(Message::Other(_))), "{text}: {read:?}");
    }
}

#[test]
fn d03_part_the_plain_form_is_strict_about_the_plate_alone() {
    let text = include_str!("../../../tests/messages/plain.json");
    let plain = rules(Maker::Plain, Take::Last);
    let pushed = reading(&plain, &part(text));
    assert_eq!(pushed.plate.as_str(), "UI987OQ");
    assert_eq!(pushed.at, Some(utc("2026-11-20T07:31:07.123Z")));
    assert_eq!(
        (pushed.confidence, pushed.confidence_top),
        (Some(0.94), 1.0)
    );
    assert_eq!(
        (pushed.direction, pushed.lane),
        (Some(Direction::Towards), Some(1))
    );
    assert_eq!(
        (&*pushed.event, &*pushed.device),
        ("8812", "invented reader")
    );
    assert!(crop(pushed.picture.as_ref()).is_some());
    assert_eq!(pushed.left_out, []);
    let bare = reading(&plain, &part("{\"plate\": \"ui 987 oq\"}"));
    assert_eq!(
        (bare.plate.as_str(), bare.at, &*bare.left_out),
        ("UI987OQ", None, &[][..])
    );
    let odd = r#"{"plate": "UI987OQ", "time": "noon", "confidence": true, "country": "Atlantis",
        "direction": "up", "lane": "left", "picture": "?", "colour": "red"}"#;
    let odd = reading(&plain, &part(odd));
    let fields: Vec<_> = odd.left_out.iter().map(|left| left.field).collect();
    assert_eq!(fields.len(), 7, "{fields:?}");
    let two = format!("{{\"readings\": [{text}, {{\"plate\": \"UI1\"}}, {{\"plate\": 7}}]}}");
    let two = readings(Maker::Plain, &part(&two));
    assert_eq!((two.all.len(), two.refused.is_some()), (2, true));
    for none in [
        "[]",
        "{\"readings\": []}",
        "{\"plate\": null}",
        "{\"plate\": \"\"}",
    ] {
        let read = understand(&plain, &part(none), UtcTime::default());
        assert_eq!(read.is_ok(), none != "[]", "{none}");
    }
}

/// The schema that integrators read names the fields that are read.
#[test]
fn the_schema_of_the_plain_form_names_its_fields() {
    let schema = include_str!("../../../../deploy/readers/reading.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let named = schema["$defs"]["reading"]["properties"]
        .as_object()
        .unwrap();
    let mut named: Vec<&str> = named.keys().map(String::as_str).collect();
    named.push("readings");
    let mut read = plain::FIELDS.to_vec();
    named.sort_unstable();
    read.sort_unstable();
    assert_eq!(named, read);
}
