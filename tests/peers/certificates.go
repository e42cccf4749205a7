// What the TLS of Go makes of certificates: certificates ROOT server|client CHAIN NAME.
// It prints why and exits with 3 where it refuses them.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func main() {
	root, purpose, chain, name := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		DNSName:       name,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if purpose == "client" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	for _, certificate := range read(root) {
		options.Roots.AddCert(certificate)
	}
	certificates := read(chain)
	for _, certificate := range certificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := certificates[0].Verify(options); err != nil {
		fmt.Println("refused:", err)
		os.Exit(3)
	}
	fmt.Println("accepted")
}

func read(path string) []*x509.Certificate {
	bytes, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, bytes = pem.Decode(bytes); block == nil {
			return found
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			panic(err)
		}
		found = append(found, certificate)
	}
}
