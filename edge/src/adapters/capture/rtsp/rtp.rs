//! RTP packets and the sender reports of RTCP (RFC 3550).

use std::time::Duration;

use varco_proto::time::UtcTime;

/// How all packets are marked for the depacketiser, however the camera marks them.
pub(in super::super) const PAYLOAD_TYPE: u8 = 96;
const SSRC: u32 = 0x7661_7263;
/// Longest step from a stamp to the next, in seconds, of a stream that goes on.
const STEP_S_MAX: u32 = 2;
/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// The fields of a packet that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketHead {
    pub(super) payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl PacketHead {
    /// None when it is no RTP packet.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, s1, s0, t3, t2, t1, t0, c3, c2, c1, c0, _, ..] = *bytes else {
            return None;
        };
        (first >> 6 == 2).then_some(Self {
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s1, s0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            ssrc: u32::from_be_bytes([c3, c2, c1, c0]),
        })
    }
}

/// A camera's word on which moment one of its time stamps stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SenderReport {
    ssrc: u32,
    /// Microseconds since 1970.
    unix_us: i64,
    timestamp: u32,
}

impl SenderReport {
    /// The moment of the report, by the camera's clock.
    pub(super) fn at(&self) -> UtcTime {
        UtcTime::from_unix_us(self.unix_us)
    }

    /// The first of a compound packet; none when there is none, or when the camera has no clock.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        loop {
            let [first, kind, high, low, ..] = *bytes else {
                return None;
            };
            let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
            let (packet, rest) = bytes.split_at_checked(length)?;
            if first >> 6 != 2 {
                return None;
            }
            if kind == 200 {
                let word = |at: usize| {
                    let four = packet.get(at..at + 4)?.try_into().ok()?;
                    Some(u32::from_be_bytes(four))
                };
                let (seconds, fraction) = (u64::from(word(8)?), u64::from(word(12)?));
                if seconds == 0 {
                    return None;
                }
                let us = seconds * 1_000_000 + ((fraction * 1_000_000) >> 32);
                let us = i64::try_from(us).ok()?;
                let epoch = i64::try_from(NTP_TO_UNIX_S * 1_000_000).ok()?;
                return Some(Self {
                    ssrc: word(4)?,
                    unix_us: us - epoch,
                    timestamp: word(16)?,
                });
            }
            bytes = rest;
        }
    }
}

/// The packets of one stream, in one row: a camera may begin anew under another SSRC, with other
/// numbers, whenever its encoder does.
#[derive(Debug, Default)]
pub(super) struct Row {
    ssrc: Option<u32>,
    /// From the camera's numbers to those of the row.
    shift: u16,
    last: u16,
    stamp: u32,
    report: Option<SenderReport>,
}

impl Row {
    pub(super) fn reported(&mut self, report: SenderReport) {
        self.report = Some(report);
    }

    /// Puts a packet into the row, and gives its moment by the camera's clock, if it has reported one
    /// for this SSRC.
    pub(super) fn take(
        &mut self,
        head: PacketHead,
        bytes: &mut [u8],
        clock_hz: u32,
    ) -> Option<UtcTime> {
        if let Some(old) = self.ssrc.filter(|ssrc| *ssrc != head.ssrc) {
            self.shift = self.last.wrapping_add(1).wrapping_sub(head.sequence);
            // Stamps that go on where they were are still counted by the same clock: of those that
            // begin anew, one in ten thousand would lie so near.
            let step = head.timestamp.wrapping_sub(self.stamp);
            if let Some(report) = self.report.as_mut().filter(|report| report.ssrc == old)
                && step < clock_hz.saturating_mul(STEP_S_MAX)
            {
                report.ssrc = head.ssrc;
            }
        }
        let is_first = self.ssrc.is_none();
        self.ssrc = Some(head.ssrc);
        self.stamp = head.timestamp;
        let sequence = head.sequence.wrapping_add(self.shift);
        // A packet that was overtaken does not set the row back.
        if is_first || sequence.wrapping_sub(self.last) < 0x8000 {
            self.last = sequence;
        }
        if let [_, kind, rest @ ..] = bytes {
            *kind = (*kind & 0x80) | PAYLOAD_TYPE;
            if let Some(number) = rest.get_mut(..2) {
                number.copy_from_slice(&sequence.to_be_bytes());
            }
            if let Some(ssrc) = rest.get_mut(6..10) {
                ssrc.copy_from_slice(&SSRC.to_be_bytes());
            }
        }
        let report = self.report.filter(|report| report.ssrc == head.ssrc)?;
        // Stamps count around: the nearer way is meant.
        let ticks = head.timestamp.wrapping_sub(report.timestamp).cast_signed();
        let us = i64::from(ticks) * 1_000_000 / i64::from(clock_hz.max(1));
        Some(UtcTime::from_unix_us(report.unix_us.saturating_add(us)))
    }
}

/// An empty receiver report with a name: some cameras end a session that gives none.
pub(super) fn receiver_report() -> Vec<u8> {
    let ssrc = SSRC.wrapping_add(1).to_be_bytes();
    let report = [&[0x80, 201, 0, 1], ssrc.as_slice()].concat();
    // SDES with one item: CNAME `varco`, ended and filled up to 32 bits.
    let name = [&[0x81, 202, 0, 4], ssrc.as_slice(), b"\x01\x05varco\0"].concat();
    let fill = vec![0; 20 - name.len()];
    [report, name, fill].concat()
}

/// NTP's count of a moment, since 1900; none before 1970.
pub(in super::super) fn since_1900(at: UtcTime) -> Option<Duration> {
    let us = u64::try_from(at.unix_us()).ok()?;
    Some(Duration::from_micros(us) + Duration::from_secs(NTP_TO_UNIX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x80 | 35];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.push(0x65);
        bytes
    }

    fn take(row: &mut Row, mut bytes: Vec<u8>) -> (PacketHead, Option<UtcTime>) {
        let head = PacketHead::read(&bytes).unwrap();
        let at = row.take(head, &mut bytes, 90_000);
        assert_eq!(bytes[1], 0x80 | PAYLOAD_TYPE, "the marker stays");
        (PacketHead::read(&bytes).unwrap(), at)
    }

    #[test]
    fn a_new_ssrc_goes_on_in_the_row_of_the_one_before() {
        let mut row = Row::default();
        let mut numbers = Vec::new();
        for (ssrc, sequence) in [
            (1, 65_535),
            (1, 0),
            (2, 40_000),
            (2, 40_001),
            (3, 7),
            (3, 9),
            (3, 8),
        ] {
            let (head, _) = take(&mut row, packet(ssrc, sequence, 0));
            assert_eq!(head.ssrc, SSRC);
            numbers.push(head.sequence);
        }
        assert_eq!(numbers, [65_535, 0, 1, 2, 3, 5, 4]);
    }

    #[test]
    fn a_row_that_begins_with_a_high_number_goes_on_from_there() {
        let mut row = Row::default();
        let packets = [(1, 40_000), (1, 40_001), (2, 7), (2, 8)];
        let numbers = packets.map(|(ssrc, sequence)| {
            let (head, _) = take(&mut row, packet(ssrc, sequence, 0));
            head.sequence
        });
        assert_eq!(numbers, [40_000, 40_001, 40_002, 40_003]);
    }

    fn report(ssrc: u32, ntp_s: u32, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 1, 0, 0, 0, 9, 0x80, 200, 0, 6];
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend(ntp_s.to_be_bytes());
        bytes.extend(0x8000_0000_u32.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn a_packets_moment_is_counted_from_its_own_ssrcs_report() {
        let mut row = Row::default();
        let second = u32::try_from(NTP_TO_UNIX_S).unwrap() + 1000;
        row.reported(SenderReport::read(&report(5, second, 10)).unwrap());
        let at = |us| Some(UtcTime::from_unix_us(us));
        assert_eq!(take(&mut row, packet(5, 1, 90_010)).1, at(1_001_500_000));
        assert_eq!(
            take(&mut row, packet(5, 2, u32::MAX - 89_989)).1,
            at(999_500_000)
        );
        // A new SSRC whose stamps go on keeps the clock, one that begins anew has none.
        let mut goes_on = Row::default();
        goes_on.reported(SenderReport::read(&report(5, second, 10)).unwrap());
        take(&mut goes_on, packet(5, 1, 90_010));
        assert_eq!(
            take(&mut goes_on, packet(6, 9, 180_010)).1,
            at(1_002_500_000)
        );
        assert_eq!(take(&mut goes_on, packet(7, 3, 90_010)).1, None);
        assert_eq!(
            SenderReport::read(&report(5, 0, 10)),
            None,
            "a camera without a clock"
        );
        for cut in 0..20 {
            assert_eq!(SenderReport::read(&report(5, second, 10)[..cut]), None);
        }
    }

    #[test]
    fn what_is_sent_back_is_a_whole_compound_packet() {
        let bytes = receiver_report();
        assert_eq!(bytes.len(), 28);
        assert_eq!(SenderReport::read(&bytes), None);
        assert_eq!(usize::from(bytes[11]) * 4 + 4, bytes.len() - 8);
    }
}
