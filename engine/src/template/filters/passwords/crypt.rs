//! The hashes of crypt(3): MD5 (Kamp 1994) and SHA-2 (Drepper, "Unix crypt using SHA-256 and SHA-512", 2008).

use md5::Md5;
use sha2::Digest;

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Rounds that a SHA-2 hash has when it does not say.
const UNSAID: u32 = 5000;

fn write(out: &mut String, bytes: [u8; 3], count: usize) {
    let mut word = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
    for _ in 0..count {
        out.push(char::from(ALPHABET[(word & 63) as usize]));
        word >>= 6;
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    parts.iter().for_each(|p| hash.update(p));
    hash.finalize().to_vec()
}

/// As many bytes of a repeated text.
fn stretched(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

/// `$5$` with SHA-256, `$6$` with SHA-512.
pub(super) fn sha<D: Digest>(ident: &str, password: &str, salt: &str, rounds: u32) -> String {
    let (key, salt_bytes) = (password.as_bytes(), salt.as_bytes());
    let b = digest::<D>(&[key, salt_bytes, key]);
    let mut start = [key, salt_bytes, &stretched(&b, key.len())].concat();
    let mut length = key.len();
    while length > 0 {
        start.extend_from_slice(if length & 1 == 1 { &b } else { key });
        length >>= 1;
    }
    let mut a = digest::<D>(&[&start]);
    let p = stretched(&digest::<D>(&[&key.repeat(key.len())]), key.len());
    let s = stretched(&digest::<D>(&[&salt_bytes.repeat(16 + usize::from(a[0]))]), salt.len());
    for round in 0..rounds {
        let mut hash = D::new();
        hash.update(if round & 1 == 1 { &p } else { &a });
        if round % 3 != 0 {
            hash.update(&s);
        }
        if round % 7 != 0 {
            hash.update(&p);
        }
        hash.update(if round & 1 == 1 { &a } else { &p });
        a = hash.finalize().to_vec();
    }
    let mut out = match rounds {
        UNSAID => format!("${ident}${salt}$"),
        _ => format!("${ident}$rounds={rounds}${salt}$"),
    };
    // Each group takes one byte of every third; the first of the three moves on from group to group.
    let third = a.len() / 3;
    let turn = if a.len() == 64 { 1 } else { 2 };
    for i in 0..third {
        let bytes = [a[i], a[i + third], a[i + 2 * third]];
        let shift = i * turn % 3;
        write(&mut out, [bytes[shift], bytes[(shift + 1) % 3], bytes[(shift + 2) % 3]], 4);
    }
    match a.len() {
        64 => write(&mut out, [0, 0, a[63]], 2),
        _ => write(&mut out, [0, a[31], a[30]], 3),
    }
    out
}

/// `$1$`.
pub(super) fn md5(password: &str, salt: &str) -> String {
    let (key, salt_bytes) = (password.as_bytes(), salt.as_bytes());
    let b = digest::<Md5>(&[key, salt_bytes, key]);
    let mut start = [key, b"$1$", salt_bytes, &stretched(&b, key.len())].concat();
    let mut length = key.len();
    while length > 0 {
        start.push(if length & 1 == 1 { 0 } else { key[0] });
        length >>= 1;
    }
    let mut a = digest::<Md5>(&[&start]);
    for round in 0..1000 {
        let (first, last): (&[u8], &[u8]) = if round & 1 == 1 { (key, &a) } else { (&a, key) };
        let salted: &[u8] = if round % 3 == 0 { &[] } else { salt_bytes };
        let keyed: &[u8] = if round % 7 == 0 { &[] } else { key };
        a = digest::<Md5>(&[first, salted, keyed, last]);
    }
    let mut out = format!("$1${salt}$");
    for (i, j, k) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        write(&mut out, [a[i], a[j], a[k]], 4);
    }
    write(&mut out, [0, 0, a[11]], 2);
    out
}
