//! Moments by the calendar and the clock: Python's `strftime` and `strptime`, and the zone of this machine.

/// A moment by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// Since midnight.
    pub(super) seconds: i64,
    pub(super) micros: i64,
}

impl Moment {
    /// From seconds since 1970 (days to a date after Howard Hinnant's `civil_from_days`).
    pub(super) fn at(seconds: i64, micros: i64) -> Moment {
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Moment {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            seconds: seconds.rem_euclid(86_400),
            micros,
        }
    }

    /// Days since 1970.
    pub(super) fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let of_era = year.rem_euclid(400);
        let shifted = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * shifted + 2) / 5 + self.day - 1;
        year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// Seconds since 1970 on the same clock.
    pub(super) fn epoch(self) -> i64 {
        self.days() * 86_400 + self.seconds
    }

    fn of_year(self) -> i64 {
        self.days() - Moment { month: 1, day: 1, ..self }.days() + 1
    }

    /// Monday is 0.
    pub(super) fn weekday(self) -> i64 {
        (self.days() + 3).rem_euclid(7)
    }

    /// Year and week by ISO 8601: the week belongs to the year its Thursday is in.
    fn iso_week(self) -> (i64, i64) {
        let thursday = Moment::at((self.days() - self.weekday() + 3) * 86_400, 0);
        (thursday.year, (thursday.of_year() - 1) / 7 + 1)
    }

    /// Python's `strftime`; without a zone `%Z` and `%z` print nothing.
    pub(super) fn format(self, pattern: &str, zone: Option<&Zone>) -> String {
        let mut out = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let flag = chars.next_if(|c| "-_0^".contains(*c));
            let Some(code) = chars.next() else {
                out.push('%');
                break;
            };
            let text = self.field(code, zone);
            match flag {
                Some('-') => {
                    let digits = text.trim_start_matches(['0', ' ']);
                    out += if digits.is_empty() { "0" } else { digits };
                }
                Some('_') => {
                    let digits = text.trim_start_matches('0');
                    out += &format!("{:>width$}", if digits.is_empty() { "0" } else { digits }, width = text.len());
                }
                Some('^') => out += &text.to_uppercase(),
                Some(_) => out += &text.replace(' ', "0"),
                None => out += &text,
            }
        }
        out
    }

    fn field(self, code: char, zone: Option<&Zone>) -> String {
        const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let weekday = self.weekday();
        let (hour, minute, second) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        let (day_name, month_name) = (DAYS[weekday as usize], MONTHS[(self.month - 1) as usize]);
        let half = if hour < 12 { "AM" } else { "PM" };
        let composed = |pattern: &str| self.format(pattern, zone);
        match code {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'C' => format!("{:02}", self.year.div_euclid(100)),
            'm' => format!("{:02}", self.month),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'H' => format!("{hour:02}"),
            'k' => format!("{hour:2}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'l' => format!("{:2}", (hour + 11) % 12 + 1),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'f' => format!("{:06}", self.micros),
            'p' => half.into(),
            'P' => half.to_lowercase(),
            'j' => format!("{:03}", self.of_year()),
            'A' => day_name.into(),
            'a' => day_name[..3].into(),
            'B' => month_name.into(),
            'b' | 'h' => month_name[..3].into(),
            'w' => ((weekday + 1) % 7).to_string(),
            'u' => (weekday + 1).to_string(),
            's' => (self.epoch() - zone.map_or_else(|| Zone::of_clock(self).offset, |z| z.offset)).to_string(),
            'U' => format!("{:02}", (self.of_year() + 6 - (weekday + 1) % 7) / 7),
            'W' => format!("{:02}", (self.of_year() + 6 - weekday) / 7),
            'V' => format!("{:02}", self.iso_week().1),
            'G' => self.iso_week().0.to_string(),
            'g' => format!("{:02}", self.iso_week().0.rem_euclid(100)),
            'Z' => zone.map(|z| z.name.clone()).unwrap_or_default(),
            'z' => zone.map(Zone::digits).unwrap_or_default(),
            'F' => composed("%Y-%m-%d"),
            'T' | 'X' => composed("%H:%M:%S"),
            'R' => composed("%H:%M"),
            'r' => composed("%I:%M:%S %p"),
            'D' | 'x' => composed("%m/%d/%y"),
            'c' => composed("%a %b %e %H:%M:%S %Y"),
            'n' => "\n".into(),
            't' => "\t".into(),
            '%' => "%".into(),
            other => format!("%{other}"),
        }
    }

    /// Python's `strptime`, with the zone if the text names one by its offset.
    pub(super) fn parse(text: &str, pattern: &str) -> Option<(Moment, Option<i64>)> {
        let mut reading =
            Reading { rest: text, moment: Moment { year: 1900, month: 1, day: 1, seconds: 0, micros: 0 }, offset: None, half: None };
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => reading.field(chars.next()?)?,
                c if c.is_whitespace() => reading.rest = reading.rest.trim_start(),
                c => reading.rest = reading.rest.strip_prefix(c)?,
            }
        }
        let mut moment = reading.moment;
        if let Some(afternoon) = reading.half {
            let hour = moment.seconds / 3600;
            moment.seconds += (hour % 12 + if afternoon { 12 } else { 0 } - hour) * 3600;
        }
        let exists = Moment::at(moment.days() * 86_400, 0);
        let valid = reading.rest.is_empty() && (exists.year, exists.month, exists.day) == (moment.year, moment.month, moment.day);
        (valid && moment.seconds < 86_400).then_some((moment, reading.offset))
    }
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// A text on its way to a moment.
struct Reading<'t> {
    rest: &'t str,
    moment: Moment,
    offset: Option<i64>,
    /// Whether it is after noon, by a clock of twelve hours.
    half: Option<bool>,
}

impl Reading<'_> {
    fn number(&mut self, most: usize) -> Option<i64> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (head, tail) = self.rest.split_at(digits);
        self.rest = tail;
        head.parse().ok()
    }

    fn field(&mut self, code: char) -> Option<()> {
        match code {
            'Y' => self.moment.year = self.number(4)?,
            'y' => {
                let year = self.number(2)?;
                self.moment.year = year + if year < 69 { 2000 } else { 1900 };
            }
            'm' => self.moment.month = self.number(2).filter(|m| (1..=12).contains(m))?,
            'd' | 'e' => {
                self.rest = self.rest.trim_start();
                self.moment.day = self.number(2).filter(|d| (1..=31).contains(d))?;
            }
            'j' => {
                let days = Moment { month: 1, day: 1, ..self.moment }.days() + self.number(3)? - 1;
                self.moment = Moment { seconds: self.moment.seconds, ..Moment::at(days * 86_400, self.moment.micros) };
            }
            'H' | 'I' => self.moment.seconds += self.number(2)? * 3600,
            'M' => self.moment.seconds += self.number(2)? * 60,
            'S' => self.moment.seconds += self.number(2)?,
            'f' => {
                let before = self.rest.len();
                let value = self.number(6)?;
                self.moment.micros = value * 10i64.pow(6 - u32::try_from(before - self.rest.len()).ok()?);
            }
            'p' => {
                let half = self.rest.get(..2)?.to_ascii_lowercase();
                self.half = Some(match half.as_str() {
                    "am" => false,
                    "pm" => true,
                    _ => return None,
                });
                self.rest = &self.rest[2..];
            }
            'Z' => self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
            'z' => self.offset = Some(self.zone()?),
            'b' | 'B' | 'h' => self.moment.month = self.name(&MONTHS)? + 1,
            'a' | 'A' => {
                self.name(&["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])?;
            }
            'T' => ['H', ':', 'M', ':', 'S'].into_iter().try_for_each(|c| self.part(c))?,
            'F' => ['Y', '-', 'm', '-', 'd'].into_iter().try_for_each(|c| self.part(c))?,
            '%' => self.rest = self.rest.strip_prefix('%')?,
            _ => return None,
        }
        Some(())
    }

    fn part(&mut self, c: char) -> Option<()> {
        if c.is_alphabetic() {
            return self.field(c);
        }
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    /// Which of the names stands here, in full or by its first three letters.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let lower = self.rest.to_ascii_lowercase();
        let index = names.iter().position(|n| lower.starts_with(&n[..3].to_ascii_lowercase()))?;
        let long = lower.starts_with(&names[index].to_ascii_lowercase());
        self.rest = &self.rest[if long { names[index].len() } else { 3 }..];
        i64::try_from(index).ok()
    }

    fn zone(&mut self) -> Option<i64> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(0);
        }
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        let hours = self.number(2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        Some(sign * (hours * 3600 + self.number(2)? * 60))
    }
}

/// A time zone at one moment.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// East of Greenwich, in seconds.
    pub(super) offset: i64,
    /// Its abbreviation.
    pub(super) name: String,
}

impl Zone {
    /// Where the clock shows what it shows at Greenwich.
    pub(super) fn utc() -> Zone {
        Zone { offset: 0, name: "GMT".into() }
    }

    /// The zone of this machine (`TZ`, `/etc/localtime`) at a moment, in seconds since 1970.
    pub(super) fn local(seconds: i64) -> Zone {
        let Ok(zone) = tz::TimeZone::local() else { return Zone::utc() };
        match zone.find_local_time_type(seconds) {
            Ok(found) => Zone { offset: found.ut_offset().into(), name: found.time_zone_designation().to_owned() },
            Err(_) => Zone::utc(),
        }
    }

    /// The zone of this machine when its clock shows a moment.
    pub(super) fn of_clock(moment: Moment) -> Zone {
        let guess = Zone::local(moment.epoch());
        Zone::local(moment.epoch() - guess.offset)
    }

    /// As in `+0200`.
    fn digits(&self) -> String {
        let minutes = self.offset.abs() / 60;
        format!("{}{:02}{:02}", if self.offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }
}
