//! Password hashes as `/etc/shadow` holds them: `password_hash`, and `encrypt` of the password lookup.

mod crypt;

use super::Pure;
use super::dice::Dice;
use crate::template::errors::refuse;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[("password_hash", |v, c| {
    let scheme = Scheme::named(&c.text(0, "hashtype")?.unwrap_or_else(|| "sha512".into()))?;
    if let Some(size) = c.data(2, "salt_size")?.filter(|s| *s != Value::Null)
        && crate::template::call::int(&size).is_none()
    {
        return Err(refuse(format!("salt_size must be an integer, not {size}")));
    }
    let salt = c.text(1, "salt")?.filter(|s| !s.is_empty()).map_or_else(|| scheme.salt(), Ok)?;
    let rounds = c.int(3, "rounds")?;
    let ident = c.text(4, "ident")?;
    hashed(scheme, &v.to_string(), &salt, rounds, ident.as_deref()).map(Value::from)
})];

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::template) enum Scheme {
    Md5,
    Sha256,
    Sha512,
    Bcrypt,
}

/// bcrypt's own base64: 22 characters are 16 bytes and four bits that do not count.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

impl Scheme {
    /// By the filter's or the lookup's name.
    pub(in crate::template) fn named(name: &str) -> Result<Scheme, Error> {
        Ok(match name {
            "md5" | "md5_crypt" => Scheme::Md5,
            "sha256" | "sha256_crypt" => Scheme::Sha256,
            "sha512" | "sha512_crypt" => Scheme::Sha512,
            "blowfish" | "bcrypt" => Scheme::Bcrypt,
            other => {
                return Err(refuse(format!("{other} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512")));
            }
        })
    }

    fn salt_length(self) -> usize {
        match self {
            Scheme::Md5 => 8,
            Scheme::Sha256 | Scheme::Sha512 => 16,
            Scheme::Bcrypt => 22,
        }
    }

    /// A new salt.
    pub(in crate::template) fn salt(self) -> Result<String, Error> {
        let mut bytes = [0u8; 16];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes));
        read.map_err(|e| refuse(format!("cannot read /dev/urandom: {e}")))?;
        let text = BCRYPT.encode(bytes);
        Ok(text[..self.salt_length()].to_owned())
    }
}

/// The hash of a password; the same one for the same salt, rounds and variant.
pub(in crate::template) fn hashed(
    scheme: Scheme,
    password: &str,
    salt: &str,
    rounds: Option<i64>,
    ident: Option<&str>,
) -> Result<String, Error> {
    let most = scheme.salt_length();
    if !salt.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b)) {
        return Err(refuse("Could not hash the secret: a salt has only letters, digits, `.` and `/`"));
    }
    if salt.len() > most || (scheme == Scheme::Bcrypt && salt.len() != most) {
        let much = if scheme == Scheme::Bcrypt { "exactly" } else { "at most" };
        return Err(refuse(format!("Could not hash the secret: the salt must have {much} {most} characters, this one has {}", salt.len())));
    }
    let within = |range: std::ops::RangeInclusive<u32>, usual: u32| match rounds {
        None => Ok(usual),
        Some(given) => u32::try_from(given).ok().filter(|r| range.contains(r)).ok_or_else(|| {
            refuse(format!("Could not hash the secret: the rounds must be {} to {}, not {given}", range.start(), range.end()))
        }),
    };
    Ok(match scheme {
        Scheme::Md5 => crypt::md5(password, salt),
        Scheme::Sha256 => crypt::sha::<sha2::Sha256>("5", password, salt, within(1000..=999_999_999, 535_000)?),
        Scheme::Sha512 => crypt::sha::<sha2::Sha512>("6", password, salt, within(1000..=999_999_999, 656_000)?),
        Scheme::Bcrypt => bcrypt(password, salt, within(4..=31, 12)?, ident.unwrap_or("2b"))?,
    })
}

fn bcrypt(password: &str, salt: &str, rounds: u32, ident: &str) -> Result<String, Error> {
    if !matches!(ident, "2a" | "2b" | "2y") {
        return Err(refuse(format!("there is no variant `{ident}` of bcrypt (2a, 2b, 2y)")));
    }
    let decoded = BCRYPT.decode(salt).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let salt = decoded.ok_or_else(|| refuse("the salt is not 22 characters of bcrypt's base64"))?;
    let mut secret = password.as_bytes().to_vec();
    secret.push(0);
    secret.truncate(72);
    let hash = bcrypt::bcrypt(rounds, salt, &secret);
    Ok(format!("${ident}${rounds:02}${}{}", BCRYPT.encode(salt), BCRYPT.encode(&hash[..23])))
}

/// Text of a length out of an alphabet; from a seed the same every time.
pub(in crate::template) fn generated(alphabet: &[char], length: usize, seed: Option<&Value>) -> Result<String, Error> {
    if alphabet.is_empty() {
        return Err(refuse("there are no characters to make a password of"));
    }
    let Some(seed) = seed else { return unpredictable(alphabet, length) };
    let mut dice = Dice::seeded(seed);
    Ok((0..length).map(|_| alphabet[dice.below(alphabet.len() as u64) as usize]).collect())
}

fn unpredictable(alphabet: &[char], length: usize) -> Result<String, Error> {
    use std::io::Read;
    let mut source = std::fs::File::open("/dev/urandom").map_err(|e| refuse(format!("cannot open /dev/urandom: {e}")))?;
    let limit = u32::MAX - u32::MAX % alphabet.len() as u32;
    let mut out = Vec::with_capacity(length);
    let mut word = [0u8; 4];
    while out.len() < length {
        source.read_exact(&mut word).map_err(|e| refuse(format!("cannot read /dev/urandom: {e}")))?;
        let word = u32::from_ne_bytes(word);
        if word < limit {
            out.push(alphabet[word as usize % alphabet.len()]);
        }
    }
    Ok(out.into_iter().collect())
}
