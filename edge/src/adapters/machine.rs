//! How the box is: its warmth, and this program's memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Milliseconds of a clock tick in `/proc/PID/stat`, as Linux fixes it for programs.
const TICK_MS: u64 = 10;

/// The warmest of the box's sensors, in degrees Celsius; none when it has none.
#[must_use]
pub fn temperature_celsius() -> Option<f64> {
    warmest(Path::new("/sys/class/thermal"))
}

fn warmest(folder: &Path) -> Option<f64> {
    let zones = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let read = |zone: fs::DirEntry| {
        let text = fs::read_to_string(zone.path().join("temp")).ok()?;
        let thousandths: i32 = text.trim().parse().ok()?;
        Some(f64::from(thousandths) / 1000.0)
    };
    zones.filter_map(read).reduce(f64::max)
}

/// What this program holds of the memory, in bytes.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The most that this program has held of the memory, in KiB.
#[must_use]
pub fn peak_memory_kib() -> Option<u32> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The processor time that this program has taken, with all its threads.
#[must_use]
pub fn cpu_time() -> Option<Duration> {
    spent(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// From the text of a `/proc/PID/stat`: time in the program and in the kernel for it.
#[must_use]
pub fn spent(stat: &str) -> Option<Duration> {
    // The name stands in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11);
    let mut next = || ticks.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((next()? + next()?) * TICK_MS))
}

fn resident(status: &str) -> Option<u64> {
    u64::from(kib(status, "VmRSS:")?).checked_mul(1024)
}

/// A line of a `/proc/PID/status`, in KiB.
#[must_use]
pub fn kib(status: &str, key: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warmest_zone_counts_and_a_broken_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(warmest(folder.path()), None);
        for (zone, text) in [("a", "41000\n"), ("b", "55500\n"), ("c", "?")] {
            fs::create_dir(folder.path().join(zone)).unwrap();
            fs::write(folder.path().join(zone).join("temp"), text).unwrap();
        }
        assert_eq!(warmest(folder.path()), Some(55.5));
    }

    #[test]
    fn processor_time_is_that_of_program_and_kernel() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 9 9";
        assert_eq!(spent(stat), Some(Duration::from_secs(2)));
        assert_eq!(spent("7 (a) S 1"), None);
        assert!(cpu_time().is_some());
    }

    #[test]
    fn this_program_holds_some_memory() {
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(resident("VmRSS:\t  12 kB\n"), Some(12_288));
        assert_eq!(resident("VmSize: 1 kB"), None);
    }
}
