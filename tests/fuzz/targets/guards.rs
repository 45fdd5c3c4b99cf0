//! The guards of the listeners: a request passes if and only if it uses GET, has exactly one Host header that names the listener,
//! no header of a proxy or browser, and no other host in its target. An Authorization header passes if and only if it is the token.
//! Input: the listener, then lines: method, target, and headers in the form `name:value`, with `{T}` for the token.
#![no_main]

#[path = "../hosts.rs"]
mod hosts;

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((listener, rest)) = data.split_first() else { return };
    let address =
        ["127.0.0.1:9911", "169.254.170.2:80", "[fd00:ec2::23]:80", "10.0.0.7:9911"][usize::from(listener % 4)];
    let address: std::net::SocketAddr = address.parse().expect("an address");
    let mut lines = rest.split(|&byte| byte == b'\n');
    let mut text = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(method), Some(target)) = (text(), text()) else { return };
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
        })
        .collect();
    let named = |name: &str| -> Vec<&[u8]> {
        headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
    };
    if let Some(result) = fuzzing::guard(method, target, &headers, address) {
        let hosts = named("host");
        let is_ours = |host: &[u8]| hosts::names(address, host);
        let is_allowed = method == "GET"
            && hosts.len() == 1
            && is_ours(hosts[0])
            && hosts::authority(target).is_none_or(|authority| is_ours(authority.as_bytes()))
            && !headers.iter().any(|(name, _)| hosts::is_foreign(name));
        assert_eq!(result.is_ok(), is_allowed, "{result:?} for {method} {target} {headers:?}");
    }
    let offered = |token: &str| -> Vec<Vec<u8>> {
        let replaced = |value: &[u8]| match value {
            [before @ .., b'{', b'T', b'}'] => [before, token.as_bytes()].concat(),
            value => value.to_vec(),
        };
        named("authorization").into_iter().map(replaced).collect()
    };
    let (token, is_authorized) = fuzzing::authorize(offered);
    let is_header = |value: &Vec<u8>| value.iter().all(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    let offered: Vec<_> = offered(&token).into_iter().filter(is_header).collect();
    assert_eq!(is_authorized, offered == [token.as_bytes()]);
});
