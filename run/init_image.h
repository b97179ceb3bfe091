#ifndef RUN_INIT_IMAGE_H
#define RUN_INIT_IMAGE_H
/*
 * init_image.h - the program file of process 1 (run/init), as it is inside the command. Layer: run.
 */
extern const unsigned char init_image[], init_image_tail[];

#endif /* RUN_INIT_IMAGE_H */
