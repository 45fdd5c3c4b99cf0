// minio-go, with the chain of providers that its documentation shows.
package main

import (
	"context"
	"os"
	"strings"

	"credvend.dev/tests/clients/probe"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	chain := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{},
	})
	client, err := minio.New(strings.TrimPrefix(os.Getenv("PROBE_ENDPOINT"), "http://"), &minio.Options{
		Creds: chain, Region: "us-east-1", MaxRetries: 1,
	})
	probe.Run(func() error {
		if err != nil {
			return err
		}
		_, err := client.StatObject(context.Background(), "data", "hello.txt", minio.StatObjectOptions{})
		return err
	})
}
