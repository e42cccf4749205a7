
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'sealserve' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'sealserve'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'sealserve' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Make a home that is ready to serve: private CA, server certificate, keys')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Create, rotate and revoke keys')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Mint and check access tokens (RFC 9068)')
            [CompletionResult]::new('model', 'model', [CompletionResultType]::ParameterValue, 'Encrypt and decrypt model files')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve encrypted models over HTTPS')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show what the server of this home is doing')
            [CompletionResult]::new('runtime', 'runtime', [CompletionResultType]::ParameterValue, 'Install and check ONNX Runtime')
            break
        }
        'sealserve;init' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Host name or IP address of the server; may be repeated')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Add a key to the keyring, or write one to a file')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show the keys and their states, never their secrets')
            [CompletionResult]::new('rotate', 'rotate', [CompletionResultType]::ParameterValue, 'Replace a key; the old one is accepted while what it made is in use')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Kill a key: what it made is accepted nowhere from now on')
            [CompletionResult]::new('jwks', 'jwks', [CompletionResultType]::ParameterValue, 'Print the public token keys as a JWK Set (RFC 7517)')
            [CompletionResult]::new('public', 'public', [CompletionResultType]::ParameterValue, 'Print the public half of a signer key (PEM), which servers and verifiers trust')
            break
        }
        'sealserve;key;create' {
            [CompletionResult]::new('--use', '--use', [CompletionResultType]::ParameterName, 'What the key is for: token, request, model or signer')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'Name of the key [default: derived from the key]')
            [CompletionResult]::new('--owner', '--owner', [CompletionResultType]::ParameterName, 'The only principal that may use a request key')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write the key to this new file (0600) instead of the keyring; - is stdout')
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Write the key to this new file (0600) instead of the keyring; - is stdout')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--if-absent', '--if-absent', [CompletionResultType]::ParameterName, 'Succeed, and show nothing, when the id exists')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key;list' {
            [CompletionResult]::new('--use', '--use', [CompletionResultType]::ParameterName, 'Only keys for token, request, model or signer')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key;rotate' {
            [CompletionResult]::new('--use', '--use', [CompletionResultType]::ParameterName, 'What the key is for: token, request, model or signer')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'Which key [default: the active one]')
            [CompletionResult]::new('--overlap', '--overlap', [CompletionResultType]::ParameterName, 'How long the old key is still accepted [default: 12h 1m; a model or signer key: until revoked]')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--emergency', '--emergency', [CompletionResultType]::ParameterName, 'Allow an overlap that cuts live tokens off')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key;revoke' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--compromised', '--compromised', [CompletionResultType]::ParameterName, 'The secret is known to have leaked')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key;jwks' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;key;public' {
            [CompletionResult]::new('--signer-key', '--signer-key', [CompletionResultType]::ParameterName, 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated')
            [CompletionResult]::new('--signer', '--signer', [CompletionResultType]::ParameterName, 'Signer key of the keyring; may be repeated')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write it to this file; - is standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write it to this file; - is standard output')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace an existing output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;token' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('mint', 'mint', [CompletionResultType]::ParameterValue, 'Sign a new token')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check a token as the server does; exit 3 when it is refused')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a token says, without checking any of it')
            break
        }
        'sealserve;token;mint' {
            [CompletionResult]::new('--subject', '--subject', [CompletionResultType]::ParameterName, 'Whom it names (sub)')
            [CompletionResult]::new('--client', '--client', [CompletionResultType]::ParameterName, 'The client that will present it (client_id) [default: the subject]')
            [CompletionResult]::new('--scope', '--scope', [CompletionResultType]::ParameterName, 'What it allows: model:NAME:infer, model:NAME:metadata or admin:*; may be repeated')
            [CompletionResult]::new('--lifetime', '--lifetime', [CompletionResultType]::ParameterName, 'How long it is valid, at most 12h')
            [CompletionResult]::new('--issuer', '--issuer', [CompletionResultType]::ParameterName, 'Issuer (iss) [default: `issuer` of the home''s sealserve.toml]')
            [CompletionResult]::new('--audience', '--audience', [CompletionResultType]::ParameterName, 'Audience (aud) [default: `audience` of the home''s sealserve.toml]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write the token to this new file (0600); - is stdout')
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Write the token to this new file (0600); - is stdout')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;token;verify' {
            [CompletionResult]::new('--issuer', '--issuer', [CompletionResultType]::ParameterName, 'Issuer (iss) [default: `issuer` of the home''s sealserve.toml]')
            [CompletionResult]::new('--audience', '--audience', [CompletionResultType]::ParameterName, 'Audience (aud) [default: `audience` of the home''s sealserve.toml]')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;token;inspect' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;model' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('encrypt', 'encrypt', [CompletionResultType]::ParameterValue, 'Encrypt a model')
            [CompletionResult]::new('decrypt', 'decrypt', [CompletionResultType]::ParameterValue, 'Decrypt a model; the output appears only when all of it is authentic')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a file tells, and with a key also what it says about the model')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign encrypted files in place: who holds the public half can tell who made them')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Decrypt everything and write nothing; exit 3 when anything is wrong')
            break
        }
        'sealserve;model;encrypt' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'The encrypted file; - is standard output [default: INPUT with extension .sealed, or standard output]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'The encrypted file; - is standard output [default: INPUT with extension .sealed, or standard output]')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Key file: 32 bytes, or their hex or base64; may be repeated')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]')
            [CompletionResult]::new('--signer-key', '--signer-key', [CompletionResultType]::ParameterName, 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated')
            [CompletionResult]::new('--signer', '--signer', [CompletionResultType]::ParameterName, 'Signer key of the keyring; may be repeated')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name that the model will be served under [default: the file''s stem]')
            [CompletionResult]::new('--model-version', '--model-version', [CompletionResultType]::ParameterName, 'Version that the model will be served as')
            [CompletionResult]::new('--media-type', '--media-type', [CompletionResultType]::ParameterName, 'Media type of what is inside')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace an existing output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;model;decrypt' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'The model in the clear (0600); - is standard output [default: standard output]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'The model in the clear (0600); - is standard output [default: standard output]')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Key file: 32 bytes, or their hex or base64; may be repeated')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]')
            [CompletionResult]::new('--range', '--range', [CompletionResultType]::ParameterName, 'Only these bytes, counted from 0, both included; 16- is all from there, -16 the last 16')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace an existing output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;model;inspect' {
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Key file: 32 bytes, or their hex or base64; may be repeated')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;model;sign' {
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Key file: 32 bytes, or their hex or base64; may be repeated')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]')
            [CompletionResult]::new('--signer-key', '--signer-key', [CompletionResultType]::ParameterName, 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated')
            [CompletionResult]::new('--signer', '--signer', [CompletionResultType]::ParameterName, 'Signer key of the keyring; may be repeated')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;model;verify' {
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Key file: 32 bytes, or their hex or base64; may be repeated')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]')
            [CompletionResult]::new('--trusted-signer', '--trusted-signer', [CompletionResultType]::ParameterName, 'Public keys in PEM, one of which must have signed the file; may be repeated')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;serve' {
            [CompletionResult]::new('--dev', '--dev', [CompletionResultType]::ParameterName, 'Serve this ONNX model for development: loopback only, keys made on the spot')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration [default: sealserve.toml in the home]')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Address and port to listen on')
            [CompletionResult]::new('--ready-file', '--ready-file', [CompletionResultType]::ParameterName, 'Write {pid, url} to this file once requests are taken')
            [CompletionResult]::new('--runtime', '--runtime', [CompletionResultType]::ParameterName, 'ONNX Runtime to load [default: ORT_DYLIB_PATH, beside the program, the home, the system]')
            [CompletionResult]::new('--device', '--device', [CompletionResultType]::ParameterName, 'Where models run: auto, cpu or cuda:N')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Check configuration, keys, models and library; serve nothing')
            [CompletionResult]::new('--ephemeral', '--ephemeral', [CompletionResultType]::ParameterName, 'Keep nothing of the development home after the end')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Load a library whose SHA-256 is not known')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;status' {
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait this long for the server to be ready')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--dev', '--dev', [CompletionResultType]::ParameterName, 'The development server''s home')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;runtime' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Download ONNX Runtime with pip, check its SHA-256 and unpack it into the home')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show what is installed in the home')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Load the library and try the device; exit 3 and say what is missing if it cannot be had')
            break
        }
        'sealserve;runtime;install' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Take this wheel or library instead of downloading it')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--cuda', '--cuda', [CompletionResultType]::ParameterName, 'With CUDA 13 and cuDNN 9')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;runtime;list' {
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'sealserve;runtime;check' {
            [CompletionResult]::new('--runtime', '--runtime', [CompletionResultType]::ParameterName, 'ONNX Runtime to load [default: ORT_DYLIB_PATH, beside the program, the home, the system]')
            [CompletionResult]::new('--device', '--device', [CompletionResultType]::ParameterName, 'Where models run: auto, cpu or cuda:N')
            [CompletionResult]::new('--home', '--home', [CompletionResultType]::ParameterName, 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]')
            [CompletionResult]::new('--root-key', '--root-key', [CompletionResultType]::ParameterName, 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Form of the answer on stdout')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour messages')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Load a library whose SHA-256 is not known')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only errors and warnings on stderr')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
