# The server block that README.md speaks of: a zone from a file, with visor before it.
example.com:1055 {
    bind 127.0.0.1
    prometheus 127.0.0.1:9155
    errors
    visor {
        name home
    }
    file example.com.zone
}
