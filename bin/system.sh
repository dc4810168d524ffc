# Sourced by bin/setup: what the machine's system calls its packages, installs them with, and keeps
# its certificates in. Plain sh. BINDERY_ROOT is a folder that tests use in place of /.

# What is needed, and its package for apt-get, dnf and zypper ("-": the system has none).
packages='
python              python3          python3            python311
venv                python3-venv     python3            python311
newer-python        -                python3.12         python311
git                 git              git                git
bubblewrap          bubblewrap       bubblewrap         bubblewrap
socat               socat            socat              socat
prlimit             util-linux       util-linux         util-linux
ssh                 openssh-client   openssh-clients    openssh-clients
certificates        ca-certificates  ca-certificates    ca-certificates
postgresql          postgresql       postgresql-server  postgresql-server
redis-server        redis-server     redis              redis
chromium            chromium-headless-shell chromium    chromium
curl                curl             curl               curl
cc                  gcc              gcc                gcc
docker-registry     docker-registry  -                  distribution-registry
buildah             buildah          buildah            buildah
skopeo              skopeo           skopeo             skopeo
sshd                openssh-server   openssh-server     openssh-server
nginx               nginx-light      nginx              nginx
wrk                 wrk              wrk                wrk
'

family() { # what the system is, and what it is like
    # shellcheck disable=SC1091  # the system's own file
    (. "${BINDERY_ROOT:-}/etc/os-release" && echo "${ID:-} ${ID_LIKE:-}") 2>/dev/null || true
}

case $(family) in # some have apt-get as well, to make packages for others
*fedora* | *rhel*) managers="dnf apt-get zypper" ;;
*suse*) managers="zypper apt-get dnf" ;;
*) managers="apt-get dnf zypper" ;;
esac
manager=""
for each in $managers; do
    [ -n "$manager" ] || ! command -v $each >/dev/null || manager=$each
done

package() { # package NAME: its package here; the name itself where there is none
    case $manager in apt-get) column=2 ;; dnf) column=3 ;; zypper) column=4 ;; *) column=1 ;; esac
    found=$(printf '%s' "$packages" | awk -v name="$1" -v column=$column '$1 == name { print $column }')
    [ "$found" != - ] || found=$1
    case $1-$manager-${python##*/} in # Debian has one for each version
    venv-apt-get-python3.*) found=${python##*/}-venv ;;
    esac
    printf '%s' "$found"
}

install_command() { # install_command PACKAGE…
    case $manager in
    # A new machine installs its updates by itself, and nobody else can install meanwhile.
    apt-get) echo "apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 $*" ;;
    dnf) echo "dnf install --assumeyes --setopt=install_weak_deps=False $*" ;;
    zypper) echo "zypper --non-interactive install --no-recommends $*" ;;
    esac
}

system_name() {
    # shellcheck disable=SC1091  # the system's own file
    (. "${BINDERY_ROOT:-}/etc/os-release" && echo "$PRETTY_NAME") 2>/dev/null || uname -sr
}

certificates() { # the file with the certificate authorities that the system trusts
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        [ ! -s "${BINDERY_ROOT:-}$file" ] || { echo "${BINDERY_ROOT:-}$file"; return; }
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_become_root() { # at a terminal, a person can type the password for sudo
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }
}

sandbox_works() { # as `sessions/backends/local/health.py` tries it, under an ordinary uid
    set -- bwrap --unshare-user --disable-userns --unshare-net --unshare-pid --die-with-parent \
        --ro-bind / / --proc /proc --dev /dev true
    [ "$(id -u)" != 0 ] || set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    "$@" >/dev/null 2>&1
}

# --- AppArmor keeps ordinary users' programs from making user namespaces: allow it to bubblewrap.
allow_sandbox() {
    switch=${BINDERY_ROOT:-}/proc/sys/kernel/apparmor_restrict_unprivileged_userns
    [ "$(cat "$switch" 2>/dev/null)" = 1 ] && ! sandbox_works || return 0
    profile=deploy/apparmor/bindery-bwrap
    place=${BINDERY_ROOT:-}/etc/apparmor.d/bindery-bwrap
    say "AppArmor forbids user namespaces to ordinary users here, so notebooks have no sandbox and"
    say "cannot start. $profile allows them to /usr/bin/bwrap, and to no other program."
    was_there=$([ ! -e "$place" ] || echo yes)
    if may_become_root && is_profile_wanted; then
        if as_root install -m 644 $profile "$place" &&
            as_root apparmor_parser --replace "$place" && sandbox_works; then
            say "Installed $place. To undo: apparmor_parser --remove $place && rm $place"
            return 0
        fi
        [ -n "$was_there" ] || as_root rm -f "$place" || : # a later start of AppArmor would read it
        say "This did not work: $(why_no_profile)"
    else
        say "To install it, run as root:"
        say "  install -m 644 $PWD/$profile $place && apparmor_parser --replace $place"
    fi
}

why_no_profile() {
    if ! PATH=$PATH:${BINDERY_ROOT:-}/usr/sbin command -v apparmor_parser >/dev/null; then
        echo "there is no apparmor_parser. Install the package apparmor."
    elif [ "$(command -v bwrap)" != /usr/bin/bwrap ]; then
        echo "bwrap is $(command -v bwrap) here. Change the path in $profile, and try again."
    else
        echo "its rule userns needs AppArmor 4, /sys/kernel/security, and an /etc that can be written."
    fi
}

is_profile_wanted() { # asks at a terminal; BINDERY_APPARMOR answers where there is none
    answer=${BINDERY_APPARMOR:-}
    if [ -z "$answer" ] && [ -t 0 ]; then
        printf 'Install it? [Y/n] ' >&2
        read -r answer || answer=no
        answer=${answer:-yes}
    fi
    case $answer in [Yy]* | 1) return 0 ;; *) return 1 ;; esac
}
