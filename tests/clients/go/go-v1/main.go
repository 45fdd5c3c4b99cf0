// The AWS SDK for Go, version 1.
package main

import (
	"os"

	"credvend.dev/tests/clients/probe"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/sts"
)

func main() {
	settings, err := session.NewSession()
	probe.Run(func() error {
		if err != nil {
			return err
		}
		_, err := client(settings).GetCallerIdentity(&sts.GetCallerIdentityInput{})
		return err
	})
}

var cached *sts.STS

// client creates the client once; the credentials are those of the session.
func client(settings *session.Session) *sts.STS {
	if cached == nil {
		cached = sts.New(settings, aws.NewConfig().WithEndpoint(os.Getenv("PROBE_ENDPOINT")).WithMaxRetries(0))
	}
	return cached
}
