//! Random choices; from a seed the same ones that Python makes (MT19937, Matsumoto and Nishimura 1998).

use super::Handing;
use super::select::items;
use crate::template::call::Call;
use crate::template::convert::argument;
use crate::template::errors::refuse;
use crate::template::objects::list;
use minijinja::value::ValueKind;
use minijinja::{Error, Value as Live};
use modules::value::Value;
use sha2::{Digest, Sha512};

pub(super) const HANDING: &[(&str, Handing)] = &[("random", |_, c| random(c)), ("shuffle", |_, c| shuffle(c))];

const SIZE: usize = 624;

/// Python's `random.Random`.
pub(in crate::template) struct Dice {
    state: [u32; SIZE],
    at: usize,
}

impl Dice {
    /// From a seed: numbers as they are, anything else by its text and the text's SHA-512.
    pub(in crate::template) fn seeded(seed: &Value) -> Dice {
        let mut bytes = match seed {
            Value::Int(i) => i.unsigned_abs().to_be_bytes().to_vec(),
            other => {
                let text = other.to_string();
                [text.as_bytes(), &Sha512::digest(text.as_bytes())].concat()
            }
        };
        bytes.reverse();
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0u32, |w, b| (w << 8) | u32::from(*b));
        let mut key: Vec<u32> = bytes.chunks(4).map(word).collect();
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        Dice::from_key(&key)
    }

    /// From the keys of the system's hasher, which are random.
    pub(in crate::template) fn unseeded() -> Dice {
        use std::hash::{BuildHasher, Hasher};
        let word = || std::collections::hash_map::RandomState::new().build_hasher().finish() as u32;
        Dice::from_key(&std::array::from_fn::<u32, 8, _>(|_| word()))
    }

    /// The reference's `init_by_array`.
    fn from_key(key: &[u32]) -> Dice {
        let mut s = [0u32; SIZE];
        s[0] = 19_650_218;
        for i in 1..SIZE {
            s[i] = 1_812_433_253u32.wrapping_mul(s[i - 1] ^ (s[i - 1] >> 30)).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            s[i] = (s[i] ^ (s[i - 1] ^ (s[i - 1] >> 30)).wrapping_mul(1_664_525)).wrapping_add(key[j]).wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i >= SIZE {
                s[0] = s[SIZE - 1];
                i = 1;
            }
        }
        for _ in 0..SIZE - 1 {
            s[i] = (s[i] ^ (s[i - 1] ^ (s[i - 1] >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i >= SIZE {
                s[0] = s[SIZE - 1];
                i = 1;
            }
        }
        s[0] = 0x8000_0000;
        Dice { state: s, at: SIZE }
    }

    fn word(&mut self) -> u32 {
        if self.at >= SIZE {
            for i in 0..SIZE {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % SIZE] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % SIZE] ^ (y >> 1) ^ odd;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn bits(&mut self, count: u32) -> u64 {
        if count <= 32 {
            return u64::from(self.word() >> (32 - count));
        }
        let low = u64::from(self.word());
        low | u64::from(self.word() >> (64 - count)) << 32
    }

    /// A number below `bound`, which is above zero.
    pub(in crate::template) fn below(&mut self, bound: u64) -> u64 {
        let count = u64::BITS - bound.max(1).leading_zeros();
        loop {
            let found = self.bits(count);
            if found < bound.max(1) {
                return found;
            }
        }
    }

    fn of(call: &Call) -> Result<Dice, Error> {
        Ok(match call.by_name("seed").map(argument).transpose()? {
            None | Some(Value::Null) => Dice::unseeded(),
            Some(seed) => Dice::seeded(&seed),
        })
    }
}

fn random(call: &Call) -> Result<Live, Error> {
    let mut dice = Dice::of(call)?;
    if call.value.kind() == ValueKind::Number {
        let end = i64::try_from(call.value.clone())?;
        let start = call.int(0, "start")?.unwrap_or(0);
        let step = call.int(1, "step")?.unwrap_or(1).max(1);
        let count = u64::try_from((end - start + step - 1) / step).unwrap_or(0);
        if count == 0 {
            return Err(refuse("there is no number to choose from"));
        }
        return Ok(Live::from(start + step * dice.below(count) as i64));
    }
    if call.data(0, "start")?.is_some_and(|v| v.truthy()) || call.data(1, "step")?.is_some_and(|v| v.truthy()) {
        return Err(refuse("start and step can only be used with integer values"));
    }
    if !matches!(call.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::String | ValueKind::Map) {
        return Err(refuse("random can only be used on sequences and integers"));
    }
    let mut items = items(&call.value)?;
    if items.is_empty() {
        return Ok(Live::UNDEFINED);
    }
    let chosen = dice.below(items.len() as u64) as usize;
    Ok(items.swap_remove(chosen))
}

fn shuffle(call: &Call) -> Result<Live, Error> {
    let mut dice = Dice::of(call)?;
    if !matches!(call.value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::String) {
        return Ok(call.value.clone());
    }
    let mut items = items(&call.value)?;
    for i in (1..items.len()).rev() {
        items.swap(i, dice.below(i as u64 + 1) as usize);
    }
    Ok(list(items))
}
