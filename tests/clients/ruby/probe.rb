# Calls GetCallerIdentity for each line on stdin, with the default credentials of the AWS SDK for Ruby.

require "aws-sdk-core"

$stdout.sync = true
sts = Aws::STS::Client.new(endpoint: ENV.fetch("PROBE_ENDPOINT"), retry_limit: 0)
while $stdin.gets
  begin
    sts.get_caller_identity
    puts "ok"
  rescue StandardError => error
    puts "error #{error.class}: #{error.message.split.join(' ')}"
  end
end
