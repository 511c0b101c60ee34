/* The one function of Fortran's run-time library that LAPACK calls: the operator //. With it in libRlapack, the layer
   needs neither libgfortran nor libquadmath, which are 3 MB. As gfortran calls it: `target` is blank-padded or cut. */
#include <stddef.h>
#include <string.h>

void _gfortran_concat_string(size_t length, char *target, size_t length_a, const char *a, size_t length_b,
                             const char *b)
{
    size_t from_a = length_a < length ? length_a : length;
    size_t room = length - from_a;
    size_t from_b = length_b < room ? length_b : room;

    memcpy(target, a, from_a);
    memcpy(target + from_a, b, from_b);
    memset(target + from_a + from_b, ' ', room - from_b);
}
