// The AWS SDK for Go, version 2.
package main

import (
	"context"
	"os"

	"credvend.dev/tests/clients/probe"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	client := sts.NewFromConfig(settings, func(options *sts.Options) {
		options.BaseEndpoint = aws.String(os.Getenv("PROBE_ENDPOINT"))
		options.RetryMaxAttempts = 1
	})
	probe.Run(func() error {
		if err != nil {
			return err
		}
		_, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return err
	})
}
