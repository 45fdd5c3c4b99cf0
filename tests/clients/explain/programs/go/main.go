// Prints the access key ID that the default credentials of a Go library return: go-v1, go-v2 or minio-go.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/endpoints"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	libraries := map[string]func() (string, error){"go-v1": v1, "go-v2": v2, "minio-go": minio}
	key, err := libraries[os.Args[1]]()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Println(key)
}

func v1() (string, error) {
	// This SDK has no variable for the endpoint of STS.
	resolver := func(service, region string, options ...func(*endpoints.Options)) (endpoints.ResolvedEndpoint, error) {
		if service == endpoints.StsServiceID {
			return endpoints.ResolvedEndpoint{URL: os.Getenv("AWS_ENDPOINT_URL_STS"), SigningRegion: "eu-central-1"}, nil
		}
		return endpoints.DefaultResolver().EndpointFor(service, region, options...)
	}
	session, err := session.NewSession(&aws.Config{EndpointResolver: endpoints.ResolverFunc(resolver)})
	if err != nil {
		return "", err
	}
	value, err := session.Config.Credentials.Get()
	return value.AccessKeyID, err
}

func v2() (string, error) {
	loaded, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return "", err
	}
	value, err := loaded.Credentials.Retrieve(context.Background())
	return value.AccessKeyID, err
}

// The chain of the documentation and of most programs: the library has no default.
func minio() (string, error) {
	iam := &credentials.IAM{Client: &http.Client{Transport: http.DefaultTransport, Timeout: 5 * time.Second}}
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		iam.Endpoint = os.Getenv("AWS_ENDPOINT_URL_STS")
	}
	chain := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		iam,
	})
	value, err := chain.GetWithContext(nil)
	if err == nil && (value.AccessKeyID == "" || value.SecretAccessKey == "") {
		err = fmt.Errorf("anonymous, or half a pair")
	}
	return value.AccessKeyID, err
}
