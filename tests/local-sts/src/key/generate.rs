//! Makes a 2048-bit RSA key, as the PKCS#1 DER that ring reads (ring signs, but makes no RSA keys).
//!
//! Good enough for a key which lives as long as a test and guards nothing: not for anything else.
//! <https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2>

use num_bigint::BigUint;

use crate::random;

const MODULUS_BITS: usize = 2048;
const PUBLIC_EXPONENT: u32 = 65_537;
/// For random candidates of this size even two rounds leave an error below 2^-100.
const MILLER_RABIN_ROUNDS: usize = 4;

/// An `RSAPrivateKey` structure.
pub(crate) fn private_key_der() -> Vec<u8> {
    let one = BigUint::from(1u32);
    let exponent = BigUint::from(PUBLIC_EXPONENT);
    let small_primes = primes_below(4096);
    let (mut p, mut q) = (prime(&small_primes), prime(&small_primes));
    // ring wants the larger prime first.
    if p < q {
        std::mem::swap(&mut p, &mut q);
    }
    let totient = (&p - &one) * (&q - &one);
    let Some(d) = exponent.modinv(&totient) else { return private_key_der() };
    let Some(coefficient) = q.modinv(&p) else { return private_key_der() };
    let numbers = [
        BigUint::ZERO,
        &p * &q,
        exponent,
        d.clone(),
        p.clone(),
        q.clone(),
        &d % (&p - &one),
        &d % (&q - &one),
        coefficient,
    ];
    let content: Vec<u8> = numbers.iter().flat_map(der_integer).collect();
    der(0x30, &content)
}

fn prime(small_primes: &[u32]) -> BigUint {
    loop {
        let mut bytes = random::bytes(MODULUS_BITS / 16);
        // The two top bits give a product of full length; the lowest makes it odd.
        bytes[0] |= 0b1100_0000;
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let candidate = BigUint::from_bytes_be(&bytes);
        let divisible = small_primes.iter().any(|&small| &candidate % small == BigUint::ZERO);
        if !divisible && is_probable_prime(&candidate) {
            return candidate;
        }
    }
}

/// Miller–Rabin with random bases.
fn is_probable_prime(candidate: &BigUint) -> bool {
    let one = BigUint::from(1u32);
    let minus_one = candidate - &one;
    let twos = minus_one.trailing_zeros().unwrap_or(0);
    let odd_part = &minus_one >> twos;
    (0..MILLER_RABIN_ROUNDS).all(|_| {
        let base = BigUint::from_bytes_be(&random::bytes(MODULUS_BITS / 16)) % candidate;
        let mut power = base.modpow(&odd_part, candidate);
        if power == one || power == minus_one {
            return true;
        }
        for _ in 1..twos {
            power = &power * &power % candidate;
            if power == minus_one {
                return true;
            }
        }
        false
    })
}

fn primes_below(limit: u32) -> Vec<u32> {
    (3..limit).step_by(2).filter(|&n| (3..).step_by(2).take_while(|d| d * d <= n).all(|d| n % d != 0)).collect()
}

fn der_integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    // A set top bit would read as a minus sign.
    if bytes[0] & 0x80 != 0 {
        bytes.insert(0, 0);
    }
    der(0x02, &bytes)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}
