//! CA bundles: which one applies, and what they may contain.

use local_sts::{LocalSts, ServerCertificate, TlsVersions, World};

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, Stage},
};

fn tls_stage() -> (Stage, String) {
    let stage =
        Stage::with_sts(LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("start local STS"));
    let ca = stage.sts.ca_pem().expect("local STS has a CA").to_owned();
    (stage, ca)
}

/// The certificate of an authority that signed nothing here.
fn other_ca() -> String {
    let other = LocalSts::start_with_certificate(World::two_accounts(), ServerCertificate::Authority);
    other.expect("start local STS").ca_pem().expect("a CA").to_owned()
}

fn export(stage: &Stage) -> Credvend {
    stage.credvend(&["export", "--timeout", "1s"])
}

#[test]
fn the_variables_of_other_programs_apply_after_aws_ca_bundle_and_the_profile() {
    let (stage, ca) = tls_stage();
    let (good, other) = (stage.write("ca.pem", &ca), stage.write("other.pem", &other_ca()));
    let words = &["AWS_CA_BUNDLE"];
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        export(&stage).env(variable, &good).end().succeeded();
        export(&stage).env(variable, &other).env("AWS_CA_BUNDLE", &good).end().succeeded();
        export(&stage).env(variable, &good).env("AWS_CA_BUNDLE", &other).end().failed(5, words);
        let profile = |own: &std::path::Path| {
            let config = format!("{CROSS_ACCOUNT}ca_bundle = {}\n", own.display());
            stage.with_config(&["export", "--timeout", "1s", "--profile", "account_a_role"], &config)
        };
        profile(&good).env(variable, &other).end().succeeded();
        profile(&other).env(variable, &good).end().failed(5, words);
        export(&stage).env(variable, stage.path("absent")).end().failed(2, &["absent", variable]);
        export(&stage).env(variable, "").env("AWS_CA_BUNDLE", &good).end().succeeded();
    }
    export(&stage).env("SSL_CERT_FILE", &good).env("REQUESTS_CA_BUNDLE", &other).end().succeeded();
}

#[test]
fn bundles_are_read_as_openssl_reads_them() {
    let (stage, ca) = tls_stage();
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let trusted = |text: &str| text.replace(" CERTIFICATE-----", " TRUSTED CERTIFICATE-----");
    for bundle in [
        format!("\u{feff}{ca}"),
        format!("\u{feff}# text \n{}{ca}", other_ca()),
        ca.replace('\n', "\r\n"),
        trusted(&ca),
        format!("{}{}", other_ca(), trusted(&ca)),
        format!("{broken}{ca}{broken}"),
    ] {
        export(&stage).env("AWS_CA_BUNDLE", stage.write("ca.pem", &bundle)).end().succeeded();
    }
    export(&stage)
        .env("AWS_CA_BUNDLE", stage.write("ca.pem", broken))
        .end()
        .failed(2, &["no certificate that can be used"]);
    let utf16: Vec<u8> = format!("\u{feff}{ca}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(stage.path("ca.pem"), utf16).expect("written");
    export(&stage).env("AWS_CA_BUNDLE", stage.path("ca.pem")).end().failed(2, &["ca.pem", "UTF-16"]);
}
