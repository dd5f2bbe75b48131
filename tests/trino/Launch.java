/** Starts the coordinator, which is its own worker; java runs this file from its source. */
public class Launch {
    public static void main(String[] arguments) {
        new io.trino.server.Server().start("435");
    }
}
