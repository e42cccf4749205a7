# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sealserve_global_optspecs
    string join \n home= root-key= format= color= no-input q/quiet h/help V/version
end

function __fish_sealserve_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sealserve_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sealserve_using_subcommand
    set -l cmd (__fish_sealserve_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sealserve -n "__fish_sealserve_needs_command" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_needs_command" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_needs_command" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_needs_command" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_needs_command" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_needs_command" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_needs_command" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_needs_command" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "init" -d 'Create a home: private CA, server certificate and keys'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "cert" -d 'Issue, inspect and verify certificates'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "key" -d 'Create, rotate and revoke keys'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "token" -d 'Mint and verify access tokens (RFC 9068)'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "apikey" -d 'Create, list and revoke API keys, for clients that cannot fetch tokens'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "model" -d 'Encrypt and decrypt model files, and rotate their keys'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "request" -d 'Sign, verify and send requests (RFC 9421)'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "serve" -d 'Serve encrypted models over HTTPS'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "status" -d 'Show the status of this home\'s server'
complete -c sealserve -n "__fish_sealserve_needs_command" -f -a "runtime" -d 'Install and check ONNX Runtime'
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l name -d 'Host name or IP address of the server; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l recovery -d 'age public key of a recovery identity that is kept offline: `model encrypt` encrypts for it, too' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l limit-addresses -d 'Limit the authority\'s IP addresses, too, to those among the names; gRPC and other clients with BoringSSL then refuse certificates with an IP address'
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand init" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -f -a "ca" -d 'Certificate authorities'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -f -a "issue" -d 'Issue a certificate with a new key, for a server or for a client'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -f -a "inspect" -d 'Show the certificates in a file or of a live server, without verifying them'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -f -a "verify" -d 'Verify a certificate strictly (RFC 5280); exit 3 if it is invalid'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and not __fish_seen_subcommand_from ca issue inspect verify check" -f -a "check" -d 'Find certificates that expire soon; exit 3 if there are any'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from ca" -f -a "create" -d 'Create a root CA and the intermediate CA that issues certificates'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l server -d 'Host names and addresses of a server' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l client -d 'The principal of a client' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l lifetime -d 'How long it is valid [default: as long as the certificate that is replaced, else 90d for a server, 24h for a client]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l ca-cert -d 'Certificate of the authority, and after it those above [default: that of the home]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l ca-key -d 'Key of the authority: PKCS#8, PEM or DER' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l out-cert -d 'Write the certificate and those above it to this file; - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l out-key -d 'Write the private key to this file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l only-these-names -d 'Drop all other names of the certificate that is replaced'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l allow-long-lifetime -d 'Allow a lifetime that clients may refuse: more than 825 days, or 30 for a client'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l force -d 'Replace existing files'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from issue" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from inspect" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l ca -d 'Certificates of trusted authorities; may be repeated [default: pki/ca.pem of the home]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l purpose -d 'Purpose that it must be valid for: server or client [default: a server\'s for HOST:PORT, else anything]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l name -d 'Name that it must be valid for: a host, or for --purpose client a principal [default: HOST]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l at -d 'Verify as of this time: RFC 3339, or seconds since 1970 [default: now]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l within -d 'Time within which a certificate must expire to be listed' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand cert; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "create" -d 'Add a key to the keyring, or write one to a file'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "list" -d 'List keys and their states, never their secrets'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "rotate" -d 'Replace a key; the old one stays accepted for an overlap'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "revoke" -d 'Revoke a key: servers stop accepting it and everything it signed at once'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "export" -d 'Export a request or model key to a file, for a client that signs with it or for a backup'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "jwks" -d 'Print the public token keys as a JWK Set (RFC 7517)'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and not __fish_seen_subcommand_from create list rotate revoke export jwks public" -f -a "public" -d 'Print the public key of a signer key (PEM), for servers and verifiers that trust it'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l use -d 'What the key is for: token, request, model or signer' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l id -d 'Name of the key [default: derived from the key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l owner -d 'The only principal that may use a request key' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -s o -l out -d 'Write the key to this new file (0600) instead of the keyring; - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l if-absent -d 'Succeed, and show nothing, when the id exists'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l use -d 'Only keys for token, request, model or signer' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l use -d 'What the key is for: token, request, model or signer' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l id -d 'Which key [default: the active one]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l overlap -d 'How long the old key is still accepted [default: 12h 1m; a model or signer key: until revoked]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l emergency -d 'Allow an overlap that invalidates tokens before they expire'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l dry-run -d 'Print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from rotate" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l confirm -d 'For a CA key, its id again: this home can then issue no more certificates certificates' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l compromised -d 'The secret is known to have leaked'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l unload -d 'Make running servers withdraw the models that it opened or signed'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l dry-run -d 'Print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from revoke" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -s o -l out -d 'Write the key to this new file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from jwks" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l signer-key -d 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l signer -d 'Signer key of the keyring; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -s o -l output -d 'Write it to this file; - is standard output' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l force -d 'Replace an existing output'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand key; and __fish_seen_subcommand_from public" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -f -a "mint" -d 'Mint a token'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -f -a "verify" -d 'Verify a token as the server does; exit 3 if it is refused'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect" -f -a "inspect" -d 'Show the content of a token, without verifying it'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l subject -d 'Whom it names (sub)' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l client -d 'The client that will present it (client_id) [default: the subject]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l scope -d 'Permission: model:NAME:infer, model:NAME:metadata or admin:*; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l lifetime -d 'How long it is valid, at most 12h' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l issuer -d 'Issuer (iss) [default: `issuer` of the home\'s sealserve.toml]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l audience -d 'Audience (aud) [default: `audience` of the home\'s sealserve.toml]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -s o -l out -d 'Write the token to this new file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from mint" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l issuer -d 'Issuer (iss) [default: `issuer` of the home\'s sealserve.toml]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l audience -d 'Audience (aud) [default: `audience` of the home\'s sealserve.toml]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand token; and __fish_seen_subcommand_from inspect" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -f -a "create" -d 'Create an API key; it is shown once, and the keyring stores its hash'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -f -a "list" -d 'List API keys and their states, never their secrets'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke" -f -a "revoke" -d 'Revoke API keys: servers stop accepting them at once'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l subject -d 'The principal that it names' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l scope -d 'Permission: model:NAME:infer, model:NAME:metadata or admin:*; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l lifetime -d 'How long it is accepted [default: until it is revoked]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l from -d 'Network or address that it is accepted from; may be repeated [default: anywhere]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l label -d 'Label that distinguishes it from the subject\'s other keys' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -s o -l out -d 'Write the key to this new file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l subject -d 'Only keys of this principal' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l key-file -d 'File with whole API keys, separated by white space, such as from a log; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l compromised -d 'The keys are known to have leaked'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l dry-run -d 'Print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "encrypt" -d 'Encrypt a model: an ONNX file with its external data, or a directory'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "decrypt" -d 'Decrypt a model; the output appears only once all of it is authenticated'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "inspect" -d 'Show a sealed file\'s public header; with a key, the model\'s metadata too'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "sign" -d 'Sign encrypted files in place, so that recipients can verify the author'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "verify" -d 'Decrypt and verify files without writing output; exit 3 if a file is invalid'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "rewrap" -d 'Re-wrap data keys for new recipients; the payload is untouched'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "reencrypt" -d 'Encrypt files again with new data keys, as is necessary when a key has leaked'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and not __fish_seen_subcommand_from encrypt decrypt inspect sign verify rewrap reencrypt recipient" -f -a "recipient" -d 'List and change the recipients of encrypted files'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s o -l output -d 'The encrypted file; - is standard output [default: INPUT with extension .sealed, or standard output]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l detached -d 'Write the payload to this file, and to the output only its header; - is standard output' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l model-file -d 'Which file of the directory is the model [default: the only *.onnx, else model.onnx]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l key-file -d 'Key file: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l key -d 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l passphrase -d 'Passphrase; it then is the only recipient of the file' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s r -l age-recipient -d 'age public key (age1…); may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s R -l age-recipients-file -d 'File with a public key of age on each line; may be repeated' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l wrap-command -d 'Command that wraps the data key: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l signer-key -d 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l signer -d 'Signer key of the keyring; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l name -d 'Name that the model will be served under [default: the file\'s stem]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l model-version -d 'Version that the model will be served as' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l media-type -d 'Media type of the content [default: application/x-onnx; application/x-tar for several files]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l ask-passphrase -d 'Ask for a passphrase at the terminal, twice'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l no-recovery -d 'Omit the recovery recipients in the home\'s sealserve.toml'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l force -d 'Replace an existing output; a detached payload is never replaced'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from encrypt" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -s o -l output -d 'The model in the clear (0600), a directory (0700) where it has several files; - is standard output [default: standard output]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l payload -d 'The payload of a detached header; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l key-file -d 'Key file: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l key -d 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l range -d 'Only these bytes, counted from 0, both included; 16- is all from there, -16 the last 16' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l force -d 'Replace an existing output file'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from decrypt" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l payload -d 'The payload of a detached header; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l key-file -d 'Key file: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l key -d 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from inspect" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l files0-from -d 'Read the names of the files from FILE, each ended by a zero byte; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l payload -d 'The payload of a detached header' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l key-file -d 'Key file: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l key -d 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l signer-key -d 'Signer key file: Ed25519 in PKCS#8, PEM; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l signer -d 'Signer key of the keyring; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l dry-run -d 'Read all files, print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from sign" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l files0-from -d 'Read the names of the files from FILE, each ended by a zero byte; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l payload -d 'The payload of a detached header; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l key-file -d 'Key file: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l key -d 'Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l trusted-signer -d 'Public keys in PEM, one of which must have signed the file; may be repeated' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l files0-from -d 'Read the names of the files from FILE, each ended by a zero byte; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l key-file -d 'Key file that opens the files: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l key -d 'Model key of the keyring that opens them, in any state; may be repeated [default: all]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l new-key-file -d 'Key file of a new recipient; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l new-key -d 'Model key of the keyring that is a new recipient; may be repeated [default: the active one]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s r -l age-recipient -d 'age public key (age1…); may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s R -l age-recipients-file -d 'File with a public key of age on each line; may be repeated' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l wrap-command -d 'Command that wraps the data key: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l new-command-key -d 'Name of the key that --wrap-command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l new-passphrase -d 'Passphrase; it then is the only recipient of the files' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l ask-new-passphrase -d 'Ask for that passphrase at the terminal, twice'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l dry-run -d 'Print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l rewrap-only -d 'Re-wrap files of a leaked key too, although their data keys may be known'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l insecure -d 'Confirm --rewrap-only'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from rewrap" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l files0-from -d 'Read the names of the files from FILE, each ended by a zero byte; - is standard input' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l payload -d 'The payload of a detached header' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l new-payload -d 'Write the new payload of that header to this file' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l key-file -d 'Key file that opens the files: 32 bytes, or their hex or base64; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l key -d 'Model key of the keyring that opens them, in any state; may be repeated [default: all]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l passphrase -d 'Passphrase of a file that was encrypted with one' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s i -l age-identity -d 'File of age identities; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l unwrap-command -d 'Command that unwraps data keys: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l command-key -d 'Name of the key that the command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l command-timeout -d 'How long the command may take' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l new-key-file -d 'Key file of a new recipient; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l new-key -d 'Model key of the keyring that is a new recipient; may be repeated [default: the active one]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s r -l age-recipient -d 'age public key (age1…); may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s R -l age-recipients-file -d 'File with a public key of age on each line; may be repeated' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l wrap-command -d 'Command that wraps the data key: a program, or a JSON array of program and arguments' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l new-command-key -d 'Name of the key that --wrap-command uses; it gets it as SEALSERVE_KEY_NAME' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l new-passphrase -d 'Passphrase; it then is the only recipient of the files' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l remove-payload -d 'Remove the old payload when the new header is in place'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l ask-passphrase -d 'Ask for the passphrase at the terminal'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l ask-new-passphrase -d 'Ask for that passphrase at the terminal, twice'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l no-recovery -d 'Omit the recovery recipients in the home\'s sealserve.toml'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l dry-run -d 'Print what would be done, and change nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from reencrypt" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -f -a "add" -d 'Add a recipient to encrypted files'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -f -a "remove" -d 'Remove recipients from encrypted files; at least one must remain'
complete -c sealserve -n "__fish_sealserve_using_subcommand model; and __fish_seen_subcommand_from recipient" -f -a "list" -d 'List the recipients of encrypted files; unauthenticated without a key'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -f -a "sign" -d 'Print the header fields that sign a request, for `curl -H @FILE`'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -f -a "verify" -d 'Verify the signature of a request; exit 3 if it is invalid'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and not __fish_seen_subcommand_from sign verify send" -f -a "send" -d 'Send a request with its credential and signature, and print the response body'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s X -l method -d 'Method [default: GET; with --data POST]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s H -l header -d '\'Name: value\', or @FILE with one on each line; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s d -l data -d 'The body: @FILE, @- for stdin, or the text itself' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l token-file -d 'Access token, for the Authorization field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l api-key-file -d 'API key, for the X-Api-Key field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l sign-key -d 'Request key of the home\'s keyring' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l sign-key-file -d 'Request key in a file, as `key create --use request --out` writes it' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l sign-key-id -d 'Name under which the server knows the key in --sign-key-file' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l window -d 'How long the signature is valid, at most 5m' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s o -l out -d 'Write the fields to this new file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l reveal -d 'Print Authorization and X-Api-Key too, with the secrets that they hold'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l force -d 'Replace the file at --out'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from sign" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s X -l method -d 'Method [default: GET; with --data POST]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s H -l header -d '\'Name: value\', or @FILE with one on each line; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s d -l data -d 'The body: @FILE, @- for stdin, or the text itself' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l token-file -d 'Access token, for the Authorization field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l api-key-file -d 'API key, for the X-Api-Key field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l sign-key -d 'Request key of the home\'s keyring' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l sign-key-file -d 'Request key in a file, as `key create --use request --out` writes it' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l sign-key-id -d 'Name under which the server knows the key in --sign-key-file' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l window -d 'The longest validity that is accepted, at most 5m' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l at -d 'Verify as of this time: RFC 3339, or seconds since 1970' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l response -d 'Check this response to the request too, as `curl -i` writes it; - is stdin' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s X -l method -d 'Method [default: GET; with --data POST]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s H -l header -d '\'Name: value\', or @FILE with one on each line; may be repeated' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s d -l data -d 'The body: @FILE, @- for stdin, or the text itself' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l token-file -d 'Access token, for the Authorization field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l api-key-file -d 'API key, for the X-Api-Key field' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l sign-key -d 'Request key of the home\'s keyring' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l sign-key-file -d 'Request key in a file, as `key create --use request --out` writes it' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l sign-key-id -d 'Name under which the server knows the key in --sign-key-file' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l window -d 'How long the signature is valid, at most 5m' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l client-cert -d 'The client\'s certificate chain, in PEM' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l client-key -d 'The private key of --client-cert, in PEM' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l cacert -d 'CA certificates to trust [default: the home\'s pki/ca.pem, else what the system trusts]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l timeout -d 'Time for one attempt' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l retry -d 'Number of retries after 429 and 503, and when nothing was sent yet' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s o -l out -d 'Write the body to this new file (0600); - is stdout' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l allow-unsigned-response -d 'Accept a response that is not signed'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l insecure -d 'Allow http to a loopback address'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l force -d 'Replace the file at --out'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand request; and __fish_seen_subcommand_from send" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l dev -d 'Serve this ONNX model for development: loopback only, with keys made on the spot' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l config -d 'Configuration [default: sealserve.toml in the home]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l listen -d 'Address and port to listen on' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l ready-file -d 'Write {pid, url} to this file once the server is ready' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l runtime -d 'ONNX Runtime to load [default: ORT_DYLIB_PATH, beside the program, the home, the system]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l device -d 'Where models run: auto, cpu or cuda:N' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l check -d 'Check configuration, keys, models and library; serve nothing'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l ephemeral -d 'Delete the development home when the server ends'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l insecure -d 'Load a library whose SHA-256 is not known'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand serve" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l wait -d 'Wait this long for the server to be ready' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l dev -d 'The development server\'s home'
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand status" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -f -a "install" -d 'Download ONNX Runtime with pip, check its SHA-256 and unpack it into the home'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -f -a "list" -d 'List the versions in the home'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and not __fish_seen_subcommand_from install list check" -f -a "check" -d 'Load the library and try the device; exit 3 if it is not usable, and say what is missing'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l from -d 'Use this wheel or library instead of downloading one' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l cuda -d 'With CUDA 13 and cuDNN 9'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from install" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l runtime -d 'ONNX Runtime to load [default: ORT_DYLIB_PATH, beside the program, the home, the system]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l device -d 'Where models run: auto, cpu or cuda:N' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l home -d 'Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]' -r -F
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l root-key -d 'Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]' -r
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l format -d 'Form of the answer on stdout' -r -f -a "text\t''
json\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l color -d 'When to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l insecure -d 'Load a library whose SHA-256 is not known'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -l no-input -d 'Never prompt; fail, and name the option to pass'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Only errors and warnings on stderr'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c sealserve -n "__fish_sealserve_using_subcommand runtime; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
