// Package probe speaks the protocol of the suite.
package probe

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Run makes a call for each line on stdin and prints `ok`, or `error` and a message.
func Run(call func() error) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := call(); err != nil {
			fmt.Println("error", strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("ok")
		}
	}
}
