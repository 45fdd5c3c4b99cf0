//! The command of `--on-write`.

use std::{io, time::Duration};

use tokio::{net::unix::pipe, process::Command, sync::oneshot};

use crate::{
    credentials::CREDENTIALS_VARIABLES,
    process::program::{Program, describe_exit, last_line, read_tail},
    settings::environment::Environment,
    sink::SinkContext,
};

/// The name of the command in metrics.
pub(super) const NAME: &str = "on_write";

/// Maximum duration of the command. Then its process group is killed.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Time to read the last output of a command that has ended: a process that it left behind can hold the pipe.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

/// Variables, beside those of credentials, that can hold secrets. The command inherits none of them.
const SECRET_VARIABLES: [&str; 2] = ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "CREDVEND_EXTERNAL_ID"];

/// Variables of proxies, whose URLs can contain a password.
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// A program with its arguments.
pub(super) struct HookCommand {
    words: Vec<String>,
    /// Variables that the command does not inherit.
    removed: Vec<&'static str>,
}

impl HookCommand {
    /// Returns the command that consists of these words.
    pub(super) fn new(words: Vec<String>, env: &dyn Environment) -> Self {
        let has_password = |name: &&&str| env.text(name).is_some_and(|url| url.contains('@'));
        let secret = CREDENTIALS_VARIABLES.iter().chain(&SECRET_VARIABLES);
        let removed = secret.chain(PROXY_VARIABLES.iter().filter(has_password)).copied().collect();
        Self { words, removed }
    }

    /// Runs the command for `profile`. A failure is logged and counted.
    pub(super) async fn run(&self, profile: &str, context: &SinkContext) {
        let mut output = Vec::new();
        let result = tokio::select! {
            result = self.run_to_end(profile, context, &mut output) => result,
            () = context.clock.sleep(TIME_LIMIT) => Err(format!("did not end within {} s and was killed", TIME_LIMIT.as_secs())),
        };
        let output = last_line(&output);
        match result {
            Ok(()) => {
                context.metrics.sink_written(NAME);
                tracing::info!(profile, output, "command of --on-write succeeded");
            }
            Err(error) => {
                context.metrics.sink_failed(NAME);
                tracing::error!(profile, error, output, "command of --on-write failed");
            }
        }
    }

    /// Runs the command and collects the end of its output in `output`.
    async fn run_to_end(&self, profile: &str, context: &SinkContext, output: &mut Vec<u8>) -> Result<(), String> {
        let (mut program, reader) = self.start(profile).map_err(|error| format!("cannot be started: {error}"))?;
        let (ended, end) = oneshot::channel::<()>();
        let (status, ()) = tokio::join!(
            async {
                let status = program.wait().await;
                drop(ended);
                status
            },
            async {
                tokio::select! {
                    () = read_tail(Some(reader), output) => {}
                    () = async { let _ = end.await; context.clock.sleep(OUTPUT_GRACE).await } => {}
                }
            }
        );
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(describe_exit(status)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Starts the command. Stdout and stderr are one pipe: nothing of it reaches the stdout of credvend.
    fn start(&self, profile: &str) -> io::Result<(Program, pipe::Receiver)> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::NotFound)?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments).env("CREDVEND_PROFILE", profile).stdout(writer.try_clone()?).stderr(writer);
        for variable in &self.removed {
            command.env_remove(variable);
        }
        Ok((Program::start(&mut command)?, pipe::Receiver::from_owned_fd(reader.into())?))
    }
}
