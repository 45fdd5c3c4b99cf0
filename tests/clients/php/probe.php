<?php
// Calls GetCallerIdentity for each line on stdin, with the default credentials of AsyncAws.

require 'AsyncAws/Core/autoload.php';

$sts = new AsyncAws\Core\Sts\StsClient(['endpoint' => getenv('PROBE_ENDPOINT'), 'region' => getenv('AWS_REGION')]);
while (fgets(STDIN) !== false) {
    try {
        $sts->getCallerIdentity()->getArn();
        echo "ok\n";
    } catch (Throwable $error) {
        echo 'error ', get_class($error), ': ', preg_replace('/\s+/', ' ', $error->getMessage()), "\n";
    }
}
