// What Go's HTTP client sees of refusals: go run refusals.go 1|2 CA PLAN.
// PLAN and what is printed are those of refusals.py.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

type test struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Size    int               `json:"size"`
	Status  int               `json:"status"`
	Times   int               `json:"times"`
}

type failure struct {
	Case    test   `json:"case"`
	Attempt int    `json:"attempt"`
	Seen    string `json:"seen"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func ask(version string, roots *x509.CertPool, t test, body []byte) string {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == "2"}
	if version == "1" {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(t.Method, t.URL, bytes.NewReader(body))
	check(err)
	for name, value := range t.Headers {
		request.Header.Set(name, value)
	}
	client := http.Client{Transport: transport, Timeout: 2 * time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	if fmt.Sprint(response.ProtoMajor) != version {
		return response.Proto
	}
	return fmt.Sprint(response.StatusCode)
}

func main() {
	version, roots := os.Args[1], x509.NewCertPool()
	ca, err := os.ReadFile(os.Args[2])
	check(err)
	roots.AppendCertsFromPEM(ca)
	plan, err := os.ReadFile(os.Args[3])
	check(err)
	var tests []test
	check(json.Unmarshal(plan, &tests))
	failures := []failure{}
	for _, t := range tests {
		body := make([]byte, t.Size)
		for attempt := 0; attempt < t.Times; attempt++ {
			if seen := ask(version, roots, t, body); seen != fmt.Sprint(t.Status) {
				failures = append(failures, failure{t, attempt, seen})
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(failures))
}
