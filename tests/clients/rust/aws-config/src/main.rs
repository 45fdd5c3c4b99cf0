//! Calls GetCallerIdentity for each line on stdin, with the default credentials of the AWS SDK for Rust.

use std::env;
use std::error::Error;

use aws_config::retry::RetryConfig;
use aws_sdk_sts::error::DisplayErrorContext;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let shared = aws_config::load_from_env().await;
    let config = aws_sdk_sts::config::Builder::from(&shared)
        .endpoint_url(env::var("PROBE_ENDPOINT")?)
        .retry_config(RetryConfig::disabled())
        .build();
    let sts = aws_sdk_sts::Client::from_conf(config);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await?.is_some() {
        match sts.get_caller_identity().send().await {
            Ok(_) => println!("ok"),
            Err(error) => println!("error {}", DisplayErrorContext(error).to_string().replace('\n', " ")),
        }
    }
    Ok(())
}
