//! The moment of a signature, as it is written into one.

use std::time::{SystemTime, UNIX_EPOCH};

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
    use std::time::Duration;

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
    fn years_without_four_digits_have_no_moment() {
        assert_eq!(Moment::of(UNIX_EPOCH - Duration::from_nanos(1)), None);
        assert_eq!(Moment::of(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), None);
    }
}
