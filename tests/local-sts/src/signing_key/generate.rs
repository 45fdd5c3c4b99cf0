//! Generates a 2048-bit RSA key in the PKCS#1 DER format that ring reads; ring cannot generate RSA keys itself.
//!
//! Only for tests: do not protect anything with such a key.
//! <https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2>

use num_bigint::BigUint;

use crate::random;

const MODULUS_BITS: usize = 2048;
const PUBLIC_EXPONENT: u32 = 65_537;
/// For random candidates of this size, two rounds already have an error probability below 2^-100.
const MILLER_RABIN_ROUNDS: usize = 4;

/// Returns a new key as a DER-encoded `RSAPrivateKey`.
pub(crate) fn private_key_der() -> Vec<u8> {
    let one = BigUint::from(1u32);
    let exponent = BigUint::from(PUBLIC_EXPONENT);
    let small_primes = primes_below(4096);
    let (mut p, mut q) = (prime(&small_primes), prime(&small_primes));
    // ring requires p > q.
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
        // The two highest bits give the product its full length; the lowest bit makes the candidate odd.
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

/// Runs the Miller–Rabin test with random bases.
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
    // DER integers are signed: without a leading zero byte, a set top bit would make the number negative.
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
