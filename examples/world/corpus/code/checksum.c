/* Checksums and encodings for short byte sequences. */

#include <stddef.h>
#include <stdint.h>

/*
 * Compute the CRC-32 of a buffer, bit by bit, with the reversed polynomial
 * 0xEDB88320 that zip and PNG files use.
 */
uint32_t crc32_of(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            uint32_t mask = 0u - (crc & 1u);
            crc = (crc >> 1) ^ (0xEDB88320u & mask);
        }
    }
    return ~crc;
}

/*
 * Compute the Adler-32 checksum of a buffer: two sums modulo 65521,
 * the second of which depends on the order of the bytes.
 */
uint32_t adler32_of(const uint8_t *data, size_t length)
{
    uint32_t low = 1, high = 0;
    for (size_t i = 0; i < length; i++) {
        low = (low + data[i]) % 65521u;
        high = (high + low) % 65521u;
    }
    return (high << 16) | low;
}

/*
 * Check a string of decimal digits with the Luhn formula, as payment cards
 * use it. Returns 1 when it holds, and 0 when not or when the string is empty
 * or has other characters.
 */
int luhn_is_valid(const char *digits)
{
    size_t length = 0;
    int sum = 0;
    while (digits[length] != '\0') {
        if (digits[length] < '0' || digits[length] > '9')
            return 0;
        length++;
    }
    for (size_t i = 0; i < length; i++) {
        int digit = digits[length - 1 - i] - '0';
        if (i % 2 == 1) {
            digit *= 2;
            if (digit > 9)
                digit -= 9;
        }
        sum += digit;
    }
    return length > 0 && sum % 10 == 0;
}

/*
 * Write a buffer as lower-case hexadecimal digits and a closing zero byte.
 * The output needs room for twice the length and one byte more.
 */
void to_hex(const uint8_t *data, size_t length, char *output)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        output[2 * i] = digits[data[i] >> 4];
        output[2 * i + 1] = digits[data[i] & 0x0F];
    }
    output[2 * length] = '\0';
}
