//! The moment of a signature, as it is written into one.

use std::{
    str,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 24 * 60 * 60;

/// A second, in the years that four digits can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    second: u64,
}

impl Moment {
    /// `None` before 1970 and after 9999.
    pub(super) fn of(time: SystemTime) -> Option<Self> {
        const END: u64 = 253_402_300_800;
        let second = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        (second < END).then_some(Self { second })
    }

    pub(super) fn second(self) -> u64 {
        self.second
    }

    pub(super) fn day(self) -> u64 {
        self.second / DAY
    }

    /// `20261121T102258Z`.
    pub(super) fn text(self) -> [u8; 16] {
        let (year, month, day) = date(self.day());
        let clock = self.second % DAY;
        let mut text = *b"00000000T000000Z";
        let (before, after) = text.split_at_mut(9);
        write(before.split_at_mut(8).0, year * 10_000 + month * 100 + day);
        write(after.split_at_mut(6).0, clock / 3600 * 10_000 + clock / 60 % 60 * 100 + clock % 60);
        text
    }
}

/// The time of a `Date` header, as HTTP has servers write it: `Sat, 21 Nov 2026 10:22:58 GMT`.
pub(super) fn http_date(text: &[u8]) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = str::from_utf8(text).ok()?;
    let mut words = text.split_once(", ")?.1.split(' ');
    let number = |text: &str, most: u64| {
        let digits = text.len() == 2 || text.len() == 4;
        let digits = digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= most)
    };
    let day: u64 = number(words.next()?, 31)?;
    let month = words.next()?;
    let month = u64::try_from(MONTHS.iter().position(|known| *known == month)? + 1).ok()?;
    let year: u64 = number(words.next()?, 9999).filter(|year| *year >= 1970)?;
    let mut clock = words.next()?.split(':');
    let (hour, minute, second) =
        (number(clock.next()?, 23)?, number(clock.next()?, 59)?, number(clock.next()?, 60)?);
    if words.next() != Some("GMT") || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    // Not before that day, and less than a year away from it.
    let from = (year - 1970) * 365;
    let at = (from..=from + 366 + year / 4).find(|at| date(*at) == (year, month, day))?;
    Some(UNIX_EPOCH + Duration::from_secs(at * DAY + hour * 3600 + minute * 60 + second))
}

/// Decimal digits, from the last one on.
fn write(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// Year, month and day of a day since 1970. Years are counted from March, so that a leap day is a year's last.
fn date(day: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let day = day + 719_468;
    let (era, of_era) = (day / ERA, day % ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(second: u64) -> String {
        let moment = Moment::of(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        String::from_utf8(moment.text().to_vec()).unwrap()
    }

    #[test]
    fn moments_are_written_as_aws_wants_them() {
        for (second, expected) in [
            (0, "19700101T000000Z"),
            (86_399, "19700101T235959Z"),
            (86_400, "19700102T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_709_251_199, "20240229T235959Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            assert_eq!(text(second), expected);
        }
    }

    #[test]
    fn dates_of_http_are_read() {
        let read = |text: &str| http_date(text.as_bytes()).map(|time| Moment::of(time).unwrap().second());
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT now",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn years_without_four_digits_have_no_moment() {
        assert_eq!(Moment::of(UNIX_EPOCH - Duration::from_nanos(1)), None);
        assert_eq!(Moment::of(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), None);
    }
}
